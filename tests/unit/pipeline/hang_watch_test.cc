// When a living stage counts as dead, and when it does not. No process and no real time is needed.
#include "pipeline/hang_watch.h"

#include <gtest/gtest.h>

namespace trickle::pipeline {
namespace {

using namespace std::chrono_literals;

class HangWatchTest : public ::testing::Test {
 protected:
  // sub | decode | pub, all at work.
  HangWatchTest() : signs_(3) { signs_[2].is_sink = true; }

  // Looks five times a second for `time`; whoever is in `working_` reports and makes progress meanwhile.
  std::optional<Hang> pass(Duration time) {
    for (const auto end = clock_.now() + time; clock_.now() < end; clock_.advance(200ms)) {
      for (size_t i = 0; i < signs_.size(); ++i) {
        if (reporting_[i]) ++signs_[i].reports;
        if (working_[i]) ++signs_[i].progress;
      }
      if (auto hang = watch_.look(clock_.now(), signs_)) return hang;
    }
    return std::nullopt;
  }

  FakeClock clock_;
  HangWatch watch_{{.stopped = 400ms, .idle = 5s, .loading = 60s}};
  std::vector<StageSigns> signs_;
  std::array<bool, 3> reporting_{true, true, true};
  std::array<bool, 3> working_{true, true, true};
};

TEST_F(HangWatchTest, FindsNothingInAChainThatWorks) {
  for (auto& signs : signs_) signs.has_unread = true;
  EXPECT_FALSE(pass(300s));
}

TEST_F(HangWatchTest, FindsNothingInAChainWithoutInput) {
  ASSERT_FALSE(pass(10s));
  working_ = {};
  EXPECT_FALSE(pass(300s)) << "nothing waits to be read";
}

TEST_F(HangWatchTest, FindsAStoppedProcessWithinASecond) {
  ASSERT_FALSE(pass(10s));
  signs_[1].stopped = true;
  working_[1] = reporting_[1] = false;
  const auto hang = pass(1s);
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->stage, 1u);
  EXPECT_EQ(hang->what, "was stopped");
}

TEST_F(HangWatchTest, LetsAProcessBeThatWasStoppedForAMoment) {
  ASSERT_FALSE(pass(10s));
  signs_[1].stopped = true;
  EXPECT_FALSE(pass(200ms));
  signs_[1].stopped = false;
  EXPECT_FALSE(pass(10s));
}

TEST_F(HangWatchTest, FindsAProcessThatNoLongerReports) {
  ASSERT_FALSE(pass(10s));
  reporting_[0] = false;
  EXPECT_FALSE(pass(4s));
  const auto hang = pass(2s);
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->stage, 0u);
  EXPECT_EQ(hang->what, "has not reported for 5 s");
}

TEST_F(HangWatchTest, FindsTheLastStageThatDoesNotMoveAlthoughInputWaits) {
  signs_.insert(signs_.begin(), StageSigns{});
  std::optional<Hang> hang;
  for (int i = 0; i < 60 && !hang; ++i, clock_.advance(200ms)) {
    for (auto& signs : signs_) ++signs.reports;
    if (i < 10) {
      for (auto& signs : signs_) ++signs.progress;
    }
    // From here on the third is stuck, and holds up the second.
    signs_[1].has_unread = signs_[2].has_unread = i >= 10;
    hang = watch_.look(clock_.now(), signs_);
    EXPECT_FALSE(hang && i < 34) << "5 s have not passed at look " << i;
  }
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->stage, 2u);
  EXPECT_EQ(hang->what, "has not moved for 5 s although input waits");
}

TEST_F(HangWatchTest, InputThatComesAfterALongSilenceIsNoHang) {
  ASSERT_FALSE(pass(10s));
  working_ = {};
  ASSERT_FALSE(pass(60s));
  signs_[1].has_unread = true;
  EXPECT_FALSE(pass(4s)) << "it has had these bytes for 4 s only";
}

TEST_F(HangWatchTest, ASinkThatWaitsForItsServerIsNoHang) {
  ASSERT_FALSE(pass(10s));
  working_ = {};
  signs_[1].has_unread = signs_[2].has_unread = true;
  EXPECT_FALSE(pass(60s));
}

TEST_F(HangWatchTest, GivesTimeToLoadBeforeTheFirstProgress) {
  working_[1] = false;
  signs_[1].has_unread = true;
  EXPECT_FALSE(pass(59s));
  EXPECT_TRUE(pass(2s));
}

TEST_F(HangWatchTest, TakesAPauseOfItsOwnForNoOnesFault) {
  ASSERT_FALSE(pass(10s));
  clock_.advance(600s);  // The machine slept, or we were stopped.
  reporting_ = working_ = {};
  signs_[1].has_unread = true;
  EXPECT_FALSE(pass(4s));
  EXPECT_TRUE(pass(2s));
}

TEST_F(HangWatchTest, BeginsAnewAfterARestart) {
  ASSERT_FALSE(pass(10s));
  reporting_[0] = false;
  ASSERT_FALSE(pass(4s));
  watch_.restart();
  EXPECT_FALSE(pass(4s));
}

TEST_F(HangWatchTest, AnEndedStageIsNotLookedAt) {
  ASSERT_FALSE(pass(10s));
  signs_[0].running = false;
  reporting_[0] = working_[0] = false;
  EXPECT_FALSE(pass(60s));
}

}  // namespace
}  // namespace trickle::pipeline
