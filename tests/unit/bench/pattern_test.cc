#include "bench/pattern.h"

#include <gtest/gtest.h>

#include <string>

namespace trickle::bench {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMessage = 100;
constexpr int kMessages = 5;
const TimePoint kSent{1h};

std::string segment_bytes(const Pattern& pattern, uint32_t channel, int64_t segment) {
  std::string bytes(kMessage * kMessages, ' ');
  for (size_t i = 0; i < kMessages; ++i) {
    pattern.fill(std::span(bytes).subspan(i * kMessage, kMessage), channel, segment, i, kSent);
  }
  return bytes;
}

TEST(SegmentChecker, FindsNothingWrongWithWhatWasSentHoweverItIsCut) {
  const Pattern pattern(kMessage);
  const std::string bytes = segment_bytes(pattern, 3, 7);
  for (size_t step = 1; step <= bytes.size(); ++step) {
    SegmentChecker checker;
    Histogram delays;
    checker.begin(3, 7);
    for (size_t at = 0; at < bytes.size(); at += step) {
      checker.take(pattern, std::span(bytes).subspan(at, std::min(step, bytes.size() - at)), kSent + 8ms,
                   delays);
    }
    ASSERT_EQ(checker.wrong_bytes(), 0u) << step;
    ASSERT_EQ(checker.received_bytes(), bytes.size());
    ASSERT_EQ(delays.count(), 5u);
    ASSERT_EQ(delays.max(), 8ms);
  }
}

TEST(SegmentChecker, FindsNothingWrongWhereThePatternBeginsAnew) {
  const Pattern pattern(kMessage);
  for (int64_t segment = 0; segment < 2000; ++segment) {
    const std::string bytes = segment_bytes(pattern, 5, segment);
    SegmentChecker checker;
    Histogram delays;
    checker.begin(5, segment);
    checker.take(pattern, std::span(bytes).first(137), kSent, delays);
    checker.take(pattern, std::span(bytes).subspan(137), kSent, delays);
    ASSERT_EQ(checker.wrong_bytes(), 0u) << segment;
  }
}

TEST(SegmentChecker, CountsEachByteThatIsNotTheOneSent) {
  const Pattern pattern(kMessage);
  const std::string right = segment_bytes(pattern, 0, 0);
  for (size_t at = 0; at < right.size(); ++at) {
    if (at % kMessage < kStampBytes) continue;
    std::string wrong = right;
    wrong[at] = static_cast<char>(wrong[at] ^ 1);
    SegmentChecker checker;
    Histogram delays;
    checker.begin(0, 0);
    checker.take(pattern, wrong, kSent, delays);
    ASSERT_EQ(checker.wrong_bytes(), 1u) << at;
  }
}

TEST(SegmentChecker, TakesBytesOfAnotherSegmentChannelOrPlaceForWrong) {
  const Pattern pattern(kMessage);
  const auto wrong = [&](uint32_t channel, int64_t segment, size_t skipped) {
    SegmentChecker checker;
    Histogram delays;
    checker.begin(1, 1);
    const std::string bytes = segment_bytes(pattern, channel, segment).substr(skipped);
    checker.take(pattern, bytes, kSent, delays);
    return checker.wrong_bytes();
  };
  EXPECT_EQ(wrong(1, 1, 0), 0u);
  EXPECT_GT(wrong(1, 2, 0), 400u);
  EXPECT_GT(wrong(2, 1, 0), 400u);
  EXPECT_GT(wrong(1, 1, kMessage), 300u);
}

TEST(SegmentChecker, TakesAStampFromTheFutureForWrong) {
  const Pattern pattern(kMessage);
  SegmentChecker checker;
  Histogram delays;
  checker.begin(0, 0);
  checker.take(pattern, segment_bytes(pattern, 0, 0), kSent - 1s, delays);
  EXPECT_EQ(delays.count(), 0u);
  EXPECT_GT(checker.wrong_bytes(), 0u);
}

}  // namespace
}  // namespace trickle::bench
