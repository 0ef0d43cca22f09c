// The rules of the protocol, on a fake clock: how channels end, what they may keep, and who is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/trickle/store_fixture.h"

namespace trickle {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::Kind;
using testing::Post;

class StoreEnds : public testing::StoreTest {};

// The end of channels.

TEST_F(StoreEnds, PitfallChannelCloseReleasesReadersAndPreconnects) {
  auto writing = post(0);
  writing->send("abc");
  auto preconnected = post(1);
  auto reader = get(0);
  auto waiting = get(1);
  EXPECT_TRUE(store_->remove("cam"));
  EXPECT_THAT(writing->ends, ElementsAre(WriterEnd::kChannelClosed));
  EXPECT_THAT(preconnected->ends, ElementsAre(WriterEnd::kChannelClosed));
  EXPECT_EQ(reader->state(), SegmentState::kClosed);
  EXPECT_EQ(reader->text(), "abc");
  EXPECT_EQ(waiting->state(), SegmentState::kClosed);
  EXPECT_TRUE(waiting->grant.channel->closed);
  EXPECT_FALSE(store_->remove("cam"));
}

TEST_F(StoreEnds, PitfallALatePreconnectDoesNotBringADeletedChannelBack) {
  write_many(3);
  store_->remove("cam");
  EXPECT_EQ(post(3)->grant.status, WriteStatus::kNoChannel);
  clock_.advance(59s);
  EXPECT_EQ(post(3)->grant.status, WriteStatus::kNoChannel);
  clock_.advance(1s);
  EXPECT_EQ(post(3)->grant.status, WriteStatus::kGranted);
}

TEST_F(StoreEnds, ATombstonedChannelStartsAnewByCreateZeroNextOrReset) {
  const std::vector<std::function<bool()>> ways{
      [&] { return store_->create("cam", {}, true) == CreateStatus::kCreated; },
      [&] { return post(0)->grant.status == WriteStatus::kGranted; },
      [&] { return post(std::nullopt)->grant.number == 0; },
      [&] { return post(7, true)->grant.status == WriteStatus::kGranted; },
  };
  for (const auto& way : ways) {
    write(0, "x");
    store_->remove("cam");
    EXPECT_TRUE(way());
    EXPECT_EQ(next(), 0);
    store_->remove("cam");
    clock_.advance(2min);
    store_->sweep();
  }
}

TEST_F(StoreEnds, PitfallBytesAfterDeleteAreDiscardedAndItsPostKnows) {
  auto writing = post(0);
  writing->send("abc");
  store_->remove("cam");
  auto fresh = post(0);
  EXPECT_EQ(writing->send("late"), AppendStatus::kDiscarded);
  EXPECT_TRUE(writing->grant.writer->channel_closed());
  writing->finish();
  EXPECT_EQ(get(0)->text(), "");
  EXPECT_EQ(next(), 0);
}

TEST_F(StoreEnds, SweepsWhatNothingWasWrittenTo) {
  write(0, "x");
  store_->create("_internal", {}, true);
  store_->create("kept", {.permanent = true}, true);
  clock_.advance(5min);
  store_->sweep();
  EXPECT_NE(store_->find("cam"), nullptr);
  clock_.advance(1s);
  store_->sweep();
  EXPECT_EQ(store_->find("cam"), nullptr);
  EXPECT_NE(store_->find("_internal"), nullptr);
  EXPECT_NE(store_->find("kept"), nullptr);
}

TEST_F(StoreEnds, PitfallAChannelIsNotSweptInTheMiddleOfALongSegment) {
  auto writing = post(0);
  for (int minute = 0; minute < 20; ++minute) {
    ASSERT_EQ(writing->send("x"), AppendStatus::kTaken);
    clock_.advance(1min);
    store_->sweep();
  }
  EXPECT_TRUE(writing->ends.empty());
}

TEST_F(StoreEnds, ShutdownReleasesWhoWaitsAndLetsOpenSegmentsEnd) {
  auto writing = post(0);
  writing->send("abc");
  auto preconnected = post(1);
  auto waiting = get(1);
  auto reader = get(0);
  store_->begin_shutdown();
  EXPECT_THAT(preconnected->ends, ElementsAre(WriterEnd::kSegmentClosed));
  EXPECT_EQ(waiting->state(), SegmentState::kClosed);
  EXPECT_TRUE(waiting->grant.channel->closed);
  EXPECT_TRUE(store_->writing());
  EXPECT_EQ(post(5)->grant.status, WriteStatus::kShuttingDown);
  EXPECT_EQ(get(1, Kind::kFromEnd)->grant.status, ReadStatus::kNoSegment);
  writing->send("def");
  writing->finish();
  EXPECT_FALSE(store_->writing());
  EXPECT_EQ(reader->text(), "abcdef");
  store_->end_shutdown();
  EXPECT_EQ(store_->find("cam"), nullptr);
}

// Caps.

TEST_F(StoreEnds, ASegmentOverItsCapIsClosedWithTheBytesItHas) {
  limit({.max_segment_bytes = 10});
  auto writing = post(0);
  EXPECT_EQ(writing->send("0123456789"), AppendStatus::kTaken);
  EXPECT_EQ(writing->send("x"), AppendStatus::kSegmentFull);
  EXPECT_EQ(get(0)->text(), "0123456789");
  EXPECT_EQ(get(0)->state(), SegmentState::kClosed);
  EXPECT_EQ(writing->send("x"), AppendStatus::kDiscarded);
}

TEST_F(StoreEnds, AChannelOverItsCapLosesItsOldestSegmentsAndThenRefuses) {
  limit({.max_channel_bytes = 100'000});
  write(0, std::string(40'000, 'a'));
  write(1, std::string(40'000, 'b'));
  auto writing = post(2);
  EXPECT_EQ(writing->send(std::string(40'000, 'c')), AppendStatus::kTaken);
  EXPECT_EQ(get(0)->grant.status, ReadStatus::kNoSegment);
  EXPECT_EQ(get(1)->grant.status, ReadStatus::kSegment);
  EXPECT_EQ(writing->send(std::string(50'000, 'c')), AppendStatus::kTaken);
  EXPECT_EQ(writing->send(std::string(50'000, 'c')), AppendStatus::kSegmentFull);
}

TEST_F(StoreEnds, OutOfMemoryTheLargestChannelGivesFirst) {
  limit({.memory_bytes = 100'000});
  write(0, std::string(60'000, 'a'));
  Post other;
  WriteRequest request;
  request.channel = "other";
  request.may_create = true;
  other.grant = store_->open_write(request, other);
  EXPECT_EQ(other.send(std::string(50'000, 'b')), AppendStatus::kTaken);
  EXPECT_EQ(get(0)->grant.status, ReadStatus::kNoSegment);
  EXPECT_EQ(other.send(std::string(60'000, 'b')), AppendStatus::kOutOfMemory);
  EXPECT_LE(store_->totals().footprint_bytes, 100'000u);
}

// What is told.

TEST_F(StoreEnds, TellsTheObserverOfEachChannelMadeAndEnded) {
  std::vector<std::string> changes;
  store_->set_observer(
      [&](const std::string& channel, bool added) { changes.push_back((added ? "+" : "-") + channel); });
  store_->create("a", {}, true);
  store_->create("a", {}, true);
  write_many(3);
  post(0, true);
  store_->remove("a");
  EXPECT_THAT(changes, ElementsAre("+a", "+cam", "-cam", "+cam", "-a"));
}

TEST_F(StoreEnds, TellsHowMuchReadersAreSentInASecond) {
  store_->create("cam", {}, true);
  EXPECT_EQ(store_->report().at(0).bytes_out_rate, 0);
  const auto sent = store_->find("cam")->bytes_out;
  for (int i = 0; i < 20; ++i) {
    *sent += 3000;
    clock_.advance(1s);
    EXPECT_EQ(store_->report().at(0).bytes_out, 3000u * (static_cast<unsigned>(i) + 1));
  }
  EXPECT_NEAR(store_->report().at(0).bytes_out_rate, 3000, 400);
  clock_.advance(60s);
  EXPECT_LT(store_->report().at(0).bytes_out_rate, 1);
}

TEST_F(StoreEnds, AnEndlessReaderFollowsOverGaps) {
  write(0, "x");
  const auto first = get(0);
  EXPECT_EQ(store_->follow(first->grant.segment), nullptr);
  auto announced = post(1);
  const auto second = store_->follow(first->grant.segment);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->number(), 1);
  write(4, "x");
  EXPECT_EQ(store_->follow(second), nullptr) << "its writer may still begin";
  announced.reset();
  EXPECT_EQ(store_->follow(second)->number(), 4);
}

}  // namespace
}  // namespace trickle
