#include "base/counters.h"

#include <gtest/gtest.h>

#include "base/once_a_second.h"

namespace trickle {
namespace {

using namespace std::chrono_literals;

TEST(LatencyHistogram, IsZeroWithoutRecords) { EXPECT_EQ(LatencyHistogram().percentile(0.5), 0us); }

TEST(LatencyHistogram, GivesPercentilesWithinElevenPercent) {
  LatencyHistogram histogram;
  for (int i = 1; i <= 1000; ++i) histogram.record(std::chrono::microseconds(i * 100));
  EXPECT_NEAR(static_cast<double>(histogram.percentile(0.5).count()), 50'000, 50'000 * 0.12);
  EXPECT_NEAR(static_cast<double>(histogram.percentile(0.99).count()), 99'000, 99'000 * 0.12);
}

TEST(LatencyHistogram, KeepsExtremesInItsEndBuckets) {
  LatencyHistogram histogram;
  histogram.record(0ns);
  EXPECT_LE(histogram.percentile(1.0), 8us);
  histogram.record(1h);
  EXPECT_GE(histogram.percentile(1.0), 7s);
}

TEST(Counters, CountsDropsByCause) {
  Counters counters;
  counters.drop(Drop::kLag);
  counters.drop(Drop::kDamaged, 4);
  EXPECT_EQ(counters.drops(Drop::kLag), 1u);
  EXPECT_EQ(counters.drops_total(), 5u);
}

TEST(Counters, CountsWhatPassesUntouchedByCause) {
  Counters counters;
  counters.pass_untouched(Untouched::kRestarted, 3);
  counters.pass_untouched(Untouched::kOverlay);
  EXPECT_EQ(counters.untouched(Untouched::kRestarted), 3u);
  EXPECT_EQ(counters.untouched(Untouched::kOverlay), 1u);
  EXPECT_EQ(counters.untouched(Untouched::kFailed), 0u);
}

TEST(OnceASecond, ReportsTheFirstAtOnceAndLaterOnesTogether) {
  OnceASecond report;
  const OnceASecond::TimePoint start{10s};
  EXPECT_EQ(report.add(start), 1u);
  EXPECT_EQ(report.add(start + 100ms), std::nullopt);
  EXPECT_EQ(report.add(start + 200ms, 5), std::nullopt);
  EXPECT_EQ(report.add(start + 1s), 7u);
  EXPECT_EQ(report.rest(), std::nullopt);
  EXPECT_EQ(report.add(start + 1500ms), std::nullopt);
  EXPECT_EQ(report.rest(), 1u);
}

}  // namespace
}  // namespace trickle
