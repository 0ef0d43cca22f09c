#include "codec/timeline.h"

#include <gtest/gtest.h>

#include "codec/gop_clock.h"
#include "codec/rate_limiter.h"

namespace trickle {
namespace {

constexpr Rational kTicks{1, 90000};
constexpr int64_t kWrap = int64_t{1} << 33;

TEST(Unwrapper, GoesOnRisingOverAWrap) {
  Unwrapper unwrapper(33);
  EXPECT_EQ(unwrapper.unwrap(kWrap - 3000, kTicks), kWrap - 3000);
  EXPECT_EQ(unwrapper.unwrap(0, kTicks), kWrap);
  EXPECT_EQ(unwrapper.unwrap(kWrap - 1500, kTicks), kWrap - 1500);
  EXPECT_EQ(unwrapper.unwrap(3000, kTicks), kWrap + 3000);
}

TEST(Unwrapper, PutsTracksThatBeginOnDifferentSidesOfAWrapOnTheSameSide) {
  Unwrapper unwrapper(33);
  EXPECT_EQ(unwrapper.unwrap(500, kTicks), kWrap + 500);
  EXPECT_EQ(unwrapper.unwrap(kWrap - 2000, kTicks), kWrap - 2000);
}

TEST(Unwrapper, LeavesTimesAsTheyAreWhereNothingCouldPrecedeZero) {
  Unwrapper unwrapper(33);
  EXPECT_EQ(unwrapper.unwrap(126000, kTicks), 126000);
  Unwrapper no_wrap(0);
  EXPECT_EQ(no_wrap.unwrap(0, kTicks), 0);
}

TEST(Unwrapper, LiftsWhatIsKnownToBeginBelowZeroInEveryTimeBase) {
  Unwrapper unwrapper(0, 90000);
  EXPECT_EQ(unwrapper.unwrap(-1024, {1, 48000}), 48000 - 1024);
  EXPECT_EQ(unwrapper.unwrap(0, {1, 15360}), 15360);
}

TEST(RisingTimeline, KeepsTimesAsTheyAreWhileTheyRise) {
  RisingTimeline timeline;
  const int track = timeline.add_track(kTicks);
  EXPECT_EQ(timeline.place(track, 100, 3000)->ticks, 100);
  EXPECT_EQ(timeline.place(track, 900000, 3000)->ticks, 900000);
}

TEST(RisingTimeline, ContinuesBothTracksByOneOffsetWhenTheyJumpBack) {
  RisingTimeline timeline;
  const int video = timeline.add_track(kTicks);
  const int audio = timeline.add_track(kTicks);
  for (int64_t t = 900000; t < 990000; t += 3000) timeline.place(video, t, 3000);
  for (int64_t t = 900000; t < 980000; t += 2000) timeline.place(audio, t, 2000);

  const auto jumped = timeline.place(video, 126000, 3000);
  ASSERT_TRUE(jumped);
  EXPECT_TRUE(jumped->new_gap);
  EXPECT_EQ(jumped->ticks, 990000);
  EXPECT_EQ(timeline.place(audio, 980000, 2000)->ticks, 980000) << "audio has not jumped yet";
  const auto followed = timeline.place(audio, 126500, 2000);
  ASSERT_TRUE(followed);
  EXPECT_FALSE(followed->new_gap) << "one jump of the source is one gap";
  EXPECT_EQ(followed->ticks, 990500) << "picture and sound keep their distance";
}

TEST(RisingTimeline, CountsOneGapWhereATrackOverlapsItselfAfterTheJump) {
  RisingTimeline timeline;
  const int video = timeline.add_track(kTicks);
  const int audio = timeline.add_track(kTicks);
  for (int64_t t = 900000; t < 990000; t += 3000) timeline.place(video, t, 3000);
  for (int64_t t = 900000; t < 990000; t += 2000) timeline.place(audio, t, 2000);
  EXPECT_TRUE(timeline.place(video, 126000, 3000)->new_gap);
  EXPECT_FALSE(timeline.place(audio, 116000, 2000)) << "it lies among what was there before the jump";
  const auto later = timeline.place(audio, 126000, 2000);
  ASSERT_TRUE(later);
  EXPECT_EQ(later->ticks, 990000);
  EXPECT_FALSE(later->new_gap);
}

TEST(RisingTimeline, OneDamagedTimeDoesNotMoveTheLine) {
  for (const int64_t damage : {45000, -45000, 88000, -88000}) {
    RisingTimeline timeline;
    const int track = timeline.add_track(kTicks);
    for (int64_t i = 0; i < 100; ++i) {
      const auto placed = timeline.place(track, 900000 + i * 3000 + (i == 50 ? damage : 0), 3000);
      ASSERT_TRUE(placed);
      EXPECT_FALSE(placed->new_gap);
      if (i < 50 || i > 80) {
        EXPECT_EQ(placed->ticks, 900000 + i * 3000);
      }
    }
  }
}

TEST(RisingTimeline, PutsADoubledTimeOneTickLater) {
  RisingTimeline timeline;
  const int track = timeline.add_track(kTicks);
  timeline.place(track, 5000, 3000);
  const auto doubled = timeline.place(track, 5000, 3000);
  EXPECT_EQ(doubled->ticks, 5001);
  EXPECT_FALSE(doubled->new_gap);
}

TEST(RisingTimeline, HasNoPlaceBelowZero) {
  RisingTimeline timeline;
  const int track = timeline.add_track(kTicks);
  EXPECT_FALSE(timeline.place(track, -1, 0));
  EXPECT_TRUE(timeline.place(track, 0, 0));
}

int kept(double source_fps, double max_fps, int frames) {
  RateLimiter limiter(max_fps);
  int count = 0;
  for (int i = 0; i < frames; ++i) count += limiter.due(i / source_fps) ? 1 : 0;
  return count;
}

TEST(RateLimiter, KeepsEveryFrameOfASourceThatIsSlowEnough) {
  EXPECT_EQ(kept(30, 30, 900), 900);
  EXPECT_EQ(kept(30000.0 / 1001, 29.97, 900), 900);
  EXPECT_EQ(kept(25, 30, 900), 900);
}

TEST(RateLimiter, ThinsAFasterSourceOutEvenly) {
  EXPECT_EQ(kept(60, 30, 600), 300);
  EXPECT_EQ(kept(30, 10, 300), 100);
  EXPECT_NEAR(kept(30, 20, 300), 200, 1);
}

TEST(RateLimiter, StartsAnewWhereTheSourceIsLateOrJumps) {
  RateLimiter limiter(10);
  EXPECT_TRUE(limiter.due(0));
  EXPECT_TRUE(limiter.due(1.05));
  EXPECT_FALSE(limiter.due(1.10));
  EXPECT_TRUE(limiter.due(1.15));
}

TEST(GopClock, TicksByTimestampWhateverTheFrameRate) {
  GopClock clock(std::chrono::seconds(2));
  int keyframes = 0;
  for (int i = 0; i <= 300; ++i) keyframes += clock.keyframe_due({i * 3003, kTicks}) ? 1 : 0;
  EXPECT_EQ(keyframes, 6);
}

TEST(GopClock, StartsAnewAfterAGap) {
  GopClock clock(std::chrono::seconds(2));
  EXPECT_TRUE(clock.keyframe_due({0, kTicks}));
  EXPECT_TRUE(clock.keyframe_due({90000 * 7, kTicks}));
  EXPECT_FALSE(clock.keyframe_due({90000 * 8, kTicks}));
  EXPECT_TRUE(clock.keyframe_due({90000 * 9, kTicks}));
}

}  // namespace
}  // namespace trickle
