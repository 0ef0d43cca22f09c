// What waits between the threads of a chain: what is dropped, and what is not.
#include "pipeline/frame_queue.h"

#include <gtest/gtest.h>

#include <thread>

namespace trickle::pipeline {
namespace {

VideoItem picture(int64_t ticks) {
  VideoItem item;
  item.frame.timestamp.ticks = ticks;
  return item;
}

int64_t ticks_of(const std::optional<FrameItem>& item) {
  return std::get<VideoItem>(*item).frame.timestamp.ticks;
}

TEST(FrameQueue, WhatComesAtOnceIsNotDroppedWhereTheReaderKeepsUp) {
  Counters counters;
  FrameQueue queue(2, FrameQueue::WhenFull::kDropOldest, counters);
  const std::jthread writer([&] {
    for (int64_t i = 0; i < 500; ++i) EXPECT_TRUE(queue.push(picture(i)));
    queue.end();
  });
  std::optional<FrameItem> item;
  int64_t expected = 0;
  while (queue.pop(item) == FrameQueue::Got::kItem) EXPECT_EQ(ticks_of(item), expected++);
  EXPECT_EQ(expected, 500);
  EXPECT_EQ(counters.drops(Drop::kLag), 0U);
}

TEST(FrameQueue, OfAReaderThatIsTooSlowTheOldestPicturesAreDroppedOnceTheyHaveWaitedForHalfASecond) {
  Counters counters;
  FakeClock clock;
  FrameQueue queue(2, FrameQueue::WhenFull::kDropOldest, counters, clock);
  std::optional<FrameItem> item;
  // 30 pictures a second come, and 10 are taken: whoever writes never waits.
  int64_t taken = -1;
  for (int64_t i = 0; i < 300; ++i) {
    EXPECT_TRUE(queue.push(picture(i)));
    clock.advance(std::chrono::milliseconds(33));
    if (i % 3 != 0) continue;
    ASSERT_EQ(queue.pop(item), FrameQueue::Got::kItem);
    EXPECT_GT(ticks_of(item), taken);
    taken = ticks_of(item);
    EXPECT_LE(i - taken, 16);
  }
  EXPECT_GE(counters.drops(Drop::kLag), 180U);
}

TEST(FrameQueue, SoundIsKeptWhenPicturesAreDropped) {
  Counters counters;
  FakeClock clock;
  FrameQueue queue(2, FrameQueue::WhenFull::kDropOldest, counters, clock);
  EXPECT_TRUE(queue.push(picture(0)));
  EXPECT_TRUE(queue.push(AudioItem{}));
  clock.advance(std::chrono::seconds(1));
  EXPECT_TRUE(queue.push(picture(1)));
  std::optional<FrameItem> item;
  ASSERT_EQ(queue.pop(item), FrameQueue::Got::kItem);
  EXPECT_TRUE(std::holds_alternative<AudioItem>(*item));
  ASSERT_EQ(queue.pop(item), FrameQueue::Got::kItem);
  EXPECT_EQ(ticks_of(item), 1);
}

TEST(FrameQueue, AWriterThatWaitsForRoomLearnsThatNobodyReadsAnyMore) {
  for (const auto when_full : {FrameQueue::WhenFull::kWait, FrameQueue::WhenFull::kDropOldest}) {
    Counters counters;
    FrameQueue queue(1, when_full, counters);
    EXPECT_TRUE(queue.push(picture(0)));
    const std::jthread closer([&] { queue.close(); });
    while (queue.push(picture(1))) {
    }
  }
}

}  // namespace
}  // namespace trickle::pipeline
