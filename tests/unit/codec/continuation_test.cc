// Timestamps over several runs.
#include "codec/continuation.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vector>

namespace trickle {
namespace {

constexpr int64_t kSecond = 90'000;
constexpr int64_t kTurn = int64_t{1} << 33;

TimelineRecord after(int64_t video_end, int64_t audio_end, int64_t offset = 0) {
  TimelineRecord record;
  record.offset = offset;
  record.known = 3;
  record.ends = {video_end, audio_end};
  return record;
}

TEST(Continuation, LeavesAFirstRunAsItIs) {
  Continuation line{TimelineRecord{}};
  EXPECT_EQ(line.place(0, 0), 0);
  EXPECT_EQ(line.place(1, -5), -5);
  EXPECT_FALSE(line.jumped());
}

TEST(Continuation, LeavesASourceThatWentOnAsItIs) {
  Continuation line(after(10 * kSecond, 10 * kSecond));
  EXPECT_EQ(line.place(0, 11 * kSecond), 11 * kSecond);
  EXPECT_EQ(line.place(1, 11 * kSecond - 500), 11 * kSecond - 500);
  EXPECT_FALSE(line.jumped());
}

TEST(Continuation, PutsASourceThatJumpedBackBehindEverythingBefore) {
  Continuation line(after(10 * kSecond, 10 * kSecond + 1000));
  EXPECT_EQ(line.place(0, 2 * kSecond), 10 * kSecond + 1000);
  EXPECT_TRUE(line.jumped());
  EXPECT_EQ(line.place(1, 2 * kSecond + 100), 10 * kSecond + 1100);
  EXPECT_EQ(line.place(0, 3 * kSecond), 11 * kSecond + 1000);
}

TEST(Continuation, KeepsTheOffsetOverTheNextRuns) {
  Continuation first(after(10 * kSecond, 10 * kSecond));
  first.note(0, *first.place(0, 2 * kSecond) + kSecond);
  Continuation second(first.record());
  EXPECT_EQ(second.place(0, 4 * kSecond), 12 * kSecond);
  EXPECT_FALSE(second.jumped());
}

TEST(Continuation, LeavesOutWhatOverlaps) {
  Continuation line(after(10 * kSecond, 10 * kSecond));
  EXPECT_EQ(line.place(0, 10 * kSecond - 3000), std::nullopt);
  EXPECT_EQ(line.place(1, 10 * kSecond - 1), std::nullopt);
  EXPECT_EQ(line.place(0, 10 * kSecond), 10 * kSecond);
  EXPECT_EQ(line.place(1, 10 * kSecond), 10 * kSecond);
}

TEST(Continuation, TakesTimesOfAnotherTurnOfTheClockForTheSame) {
  // A process that has seen the clock wrap counts on; the next one begins anew, below that.
  Continuation line(after(kTurn + 10 * kSecond, kTurn + 10 * kSecond));
  EXPECT_EQ(line.place(0, 11 * kSecond), kTurn + 11 * kSecond);
  EXPECT_FALSE(line.jumped());
}

TEST(Continuation, KnowsTheEndOfEachTrackOfItsOwn) {
  Continuation line{TimelineRecord{}};
  line.note(0, 100);
  line.note(2, 300);
  line.note(2, 200);
  line.note(99, 1);
  EXPECT_EQ(line.record().known, 5);
  EXPECT_EQ(line.record().ends[0], 100);
  EXPECT_EQ(line.record().ends[2], 300);
}

// Packets of one track, 1920 ticks apart, that don't say how long they last.
class Sound final : public FrameSource {
 public:
  Sound(int64_t from, int count) : next_(from), left_(count) {}
  const StreamInfo& info() const override { return info_; }
  Result<std::optional<FrameItem>> read() override {
    if (left_-- == 0) return std::optional<FrameItem>();
    AudioItem item;
    item.packet.timestamp = {next_, {1, 90000}};
    next_ += 1920;
    return std::optional<FrameItem>(std::move(item));
  }

 private:
  StreamInfo info_;
  int64_t next_;
  int left_;
};

TEST(ContinuedSource, LeavesOutWhatOverlapsAPacketThatDidNotSayHowLongItLasts) {
  const UniqueFd file(::memfd_create("timeline", MFD_CLOEXEC));
  Counters counters;
  const auto starts_of = [&](int64_t from, int count) {
    const auto source =
        continue_timeline(std::make_unique<Sound>(from, count), UniqueFd(::dup(file.get())), counters);
    std::vector<int64_t> starts;
    while (auto item = *source->read()) starts.push_back(std::get<AudioItem>(*item).packet.timestamp.ticks);
    return starts;
  };
  EXPECT_EQ(starts_of(0, 3), (std::vector<int64_t>{0, 1920, 3840}));
  EXPECT_EQ(starts_of(3840 + 1000, 3), (std::vector<int64_t>{6760, 8680}));
  EXPECT_EQ(counters.drops(Drop::kTimestamp), 1U);
}

}  // namespace
}  // namespace trickle
