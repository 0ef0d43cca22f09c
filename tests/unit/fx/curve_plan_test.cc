#include "fx/curve_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace trickle::fx {
namespace {

constexpr ColorStep power(double exponent) { return {.exponent = exponent}; }
constexpr ColorStep kRedder{.offset = {0.3, 0, 0}};
constexpr Row3 kWeights{0.299, 0.587, 0.114};
constexpr ColorStep kGrey{.matrix = {kWeights, kWeights, kWeights}};
constexpr ColorStep kVivid{.matrix = {{{2, -0.5, -0.5}, {-0.5, 2, -0.5}, {-0.5, -0.5, 2}}}};

std::optional<CurvePlan> plan_for(const std::vector<ColorStep>& steps) {
  return make_curve_plan(fold(steps, InputRange::kUnlimited), yuv_matrix({}, 8));
}

TEST(CurvePlan, TakesWhatKeepsChannelsApartAndAMixtureThatNeedsNoClamp) {
  EXPECT_TRUE(plan_for({power(0.7)}));
  EXPECT_TRUE(plan_for({power(2), kRedder, power(0.8)}));
  EXPECT_TRUE(plan_for({kRedder, kGrey}));
  EXPECT_TRUE(plan_for({kGrey, power(2)}));
  EXPECT_FALSE(plan_for({kRedder, kVivid}));
  EXPECT_FALSE(plan_for({power(2), kGrey, power(2)}));
}

TEST(CurvePlan, RefusesCurvesThatAreTooSteepForWholeCodes) {
  EXPECT_FALSE(plan_for({power(0.25)}));
  EXPECT_FALSE(plan_for({{.matrix = {{{4, 0, 0}, {0, 4, 0}, {0, 0, 4}}}, .exponent = 2}}));
}

TEST(CurvePlan, LooksUpGreysAndMeetsTheSameThingInSteps) {
  const auto plan = plan_for({power(2)});
  ASSERT_TRUE(plan);
  for (const ByteTable& table : plan->tables) {
    const double top = table.entries[235];
    for (int code = 0; code < 256; ++code) {
      const double grey = std::clamp((code - 16) / 219.0, 0.0, 1.0);
      EXPECT_NEAR(table.entries[code], grey * grey * top, 1) << code;
      // What a processor sums up that knows 16 entries at a time.
      uint8_t sum = 0;
      for (int step = code; step >= code / 128 * 128; step -= 16) sum ^= table.steps[step];
      EXPECT_EQ(sum, table.entries[code]) << code;
    }
  }
}

TEST(CurvePlan, MovesTheIndexWhereLimitsLieBeyondTheCodes) {
  const auto plan = plan_for({kRedder, kGrey});
  ASSERT_TRUE(plan);
  // Red is 0 at -0.3 only, which no luma code is, and some chroma takes it there.
  EXPECT_GT(plan->shift[0], 0);
  EXPECT_EQ(plan->tables[0].entries[0], 0);
  EXPECT_EQ(plan->shift[1], 0);
}

}  // namespace
}  // namespace trickle::fx
