// What the relay counts: the histogram of delays and the rates.
#include "trickle/relay_numbers.h"

#include <gtest/gtest.h>

#include "trickle/rate_meter.h"

namespace trickle {
namespace {

using namespace std::chrono_literals;

TEST(DelayHistogram, CountsEachDelayInTheFirstBucketThatHoldsIt) {
  DelayHistogram histogram;
  for (const Duration delay :
       {Duration(0ns), Duration(64us), Duration(64001ns), Duration(128us), Duration(129us)}) {
    histogram.record(delay);
  }
  EXPECT_EQ(histogram.buckets()[0], 2u);
  EXPECT_EQ(histogram.buckets()[1], 2u);
  EXPECT_EQ(histogram.buckets()[2], 1u);
  EXPECT_EQ(DelayHistogram::bound(1), 128us);
  EXPECT_EQ(histogram.count(), 5u);
  EXPECT_EQ(histogram.sum(), Duration(64us + 64001ns + 128us + 129us));
}

TEST(DelayHistogram, EveryBoundBelongsToItsOwnBucketAndTheTailToNone) {
  for (size_t i = 0; i < DelayHistogram::kBuckets; ++i) {
    DelayHistogram histogram;
    histogram.record(DelayHistogram::bound(i));
    EXPECT_EQ(histogram.buckets()[i], 1u) << i;
  }
  DelayHistogram histogram;
  histogram.record(DelayHistogram::bound(DelayHistogram::kBuckets - 1) + 1us);
  for (const uint64_t count : histogram.buckets()) EXPECT_EQ(count, 0u);
  EXPECT_EQ(histogram.count(), 1u);
}

TEST(RelayNumbers, AddUp) {
  RelayNumbers one;
  ++one.deliveries;
  ++one.readers;
  one.delay.record(1ms);
  RelayNumbers sum;
  sum.add(one);
  --one.readers;
  sum.add(one);
  EXPECT_EQ(sum.readers, 1u);
  EXPECT_EQ(sum.deliveries, 2u);
  EXPECT_EQ(sum.delay.count(), 2u);
}

TEST(RateMeter, ComesToTheRateAtOnceAndForgetsIt) {
  FakeClock clock;
  RateMeter meter(clock.now());
  EXPECT_EQ(meter.rate(clock.now()), 0);
  for (int second = 0; second < 60; ++second) {
    for (int i = 0; i < 10; ++i) {
      clock.advance(100ms);
      meter.add(100, clock.now());
    }
    EXPECT_NEAR(meter.rate(clock.now()), 1000, 120) << second;
  }
  clock.advance(60s);
  EXPECT_LT(meter.rate(clock.now()), 1);
}

}  // namespace
}  // namespace trickle
