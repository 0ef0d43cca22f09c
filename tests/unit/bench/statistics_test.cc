#include "bench/statistics.h"

#include <gtest/gtest.h>

namespace trickle::bench {
namespace {

using namespace std::chrono_literals;

TEST(Histogram, GivesPercentilesWithinThreePercent) {
  Histogram histogram;
  for (int i = 1; i <= 100000; ++i) histogram.add(i * 1us);
  for (const double quantile : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const double exact = quantile * 1e8;
    EXPECT_NEAR(static_cast<double>(histogram.at(quantile).count()), exact, exact * 0.032) << quantile;
  }
  EXPECT_EQ(histogram.at(1), 100ms);
  EXPECT_EQ(histogram.max(), 100ms);
}

TEST(Histogram, KeepsEveryValueInABucketThatHoldsIt) {
  for (uint64_t value = 0; value < (uint64_t{1} << 40); value = value * 3 / 2 + 1) {
    Histogram histogram;
    histogram.add(std::chrono::nanoseconds(value));
    histogram.add(1h * 1000);
    const auto found = static_cast<uint64_t>(histogram.at(0.5).count());
    EXPECT_GE(found, value);
    EXPECT_LE(found, value + value / 32 + 1);
  }
}

TEST(Histogram, MergesAsIfAllHadBeenAddedToOne) {
  Histogram low, high;
  for (int i = 0; i < 100; ++i) low.add(1ms), high.add(9ms);
  low.merge(high);
  EXPECT_EQ(low.count(), 200u);
  EXPECT_LT(low.at(0.5), 2ms);
  EXPECT_EQ(low.at(0.51), 9ms);
}

TEST(Histogram, IsZeroWithoutValues) {
  EXPECT_EQ(Histogram().at(0.99), 0ns);
  EXPECT_EQ(Histogram().max(), 0ns);
}

TEST(Spread, IsTheMiddleAndTheEndsOfTheRounds) {
  const Spread odd = spread_of({5, 1, 3});
  EXPECT_EQ(odd.median, 3);
  EXPECT_EQ(odd.min, 1);
  EXPECT_EQ(odd.max, 5);
  EXPECT_EQ(spread_of({1, 2, 3, 10}).median, 2.5);
  EXPECT_EQ(spread_of({}).median, 0);
}

}  // namespace
}  // namespace trickle::bench
