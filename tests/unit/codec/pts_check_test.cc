#include "codec/pts_check.h"

#include <gtest/gtest.h>

namespace trickle {
namespace {

constexpr int64_t kSecond = ts::kTicksPerSecond;
constexpr int64_t kWrap = ts::kTimestampWrap;
constexpr int64_t kFrame = 3000;

// A clock and times that run on, a frame at a time, with a steady lead.
class PtsCheckTest : public testing::Test {
 protected:
  explicit PtsCheckTest(int64_t start = 5 * kSecond) : now_(start) {}
  bool next(int64_t error = 0, bool clock_jumps = false) {
    clock_.set(now_, clock_jumps);
    const bool plausible = check_.plausible((now_ + kSecond / 5 + error + kWrap) % kWrap, clock_);
    now_ = (now_ + kFrame) % kWrap;
    return plausible;
  }
  int64_t now_;
  ProgramClock clock_;
  PtsCheck check_;
};

TEST_F(PtsCheckTest, ATimeThatStandsOutAloneIsDamaged) {
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(next());
  EXPECT_FALSE(next(3600 * kSecond));
  EXPECT_TRUE(next());
  EXPECT_FALSE(next(-2 * kSecond));
  EXPECT_FALSE(next(7 * kSecond)) << "another one, at another place";
  EXPECT_TRUE(next());
}

TEST_F(PtsCheckTest, ANewLeadThatStaysIsNoDamage) {
  EXPECT_TRUE(next());
  EXPECT_FALSE(next(2 * kSecond));
  EXPECT_TRUE(next(2 * kSecond));
  EXPECT_TRUE(next(2 * kSecond));
}

TEST_F(PtsCheckTest, BuffersMayBreathe) {
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(next(i % 2 * kSecond * 2 / 5));
}

TEST_F(PtsCheckTest, TimesThatJumpWithTheirClockAreRight) {
  EXPECT_TRUE(next());
  now_ += 1000 * kSecond;  // Further than a clock steps.
  EXPECT_TRUE(next());
  now_ -= 500 * kSecond;
  EXPECT_TRUE(next());
}

TEST_F(PtsCheckTest, AnAnnouncedJumpOfTheClockStartsAnew) {
  EXPECT_TRUE(next());
  EXPECT_TRUE(next(5 * kSecond, true));
  EXPECT_TRUE(next(5 * kSecond));
}

TEST_F(PtsCheckTest, WithoutAClockEveryTimeIsPlausible) {
  PtsCheck check;
  const ProgramClock silent;
  EXPECT_TRUE(check.plausible(0, silent));
  EXPECT_TRUE(check.plausible(7000 * kSecond, silent));
}

class PtsCheckAtTheWrap : public PtsCheckTest {
 protected:
  PtsCheckAtTheWrap() : PtsCheckTest(kWrap - 10 * kFrame) {}
};

TEST_F(PtsCheckAtTheWrap, TheWrapIsNoJump) {
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(next()) << i;
  EXPECT_EQ(clock_.line(), 1U);
}

TEST(ProgramClock, MeasuresTheShortWayRound) {
  EXPECT_EQ(ProgramClock::ahead(100, kWrap - 100), 200);
  EXPECT_EQ(ProgramClock::ahead(kWrap - 100, 100), -200);
  EXPECT_EQ(ProgramClock::ahead(5, 5), 0);
}

}  // namespace
}  // namespace trickle
