#include "trickle/subscriber_state.h"

#include <gtest/gtest.h>

#include <limits>

namespace trickle {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Verdict = SubscriberState::Verdict;

const Error kBroken(ErrorKind::kNetwork, "connection reset");

class SubscriberRules : public ::testing::Test {
 protected:
  SubscriberState make(SubscriberOptions options = {}) {
    auto state = SubscriberState::make(options, "http://host/channel", clock_);
    EXPECT_TRUE(state);
    return *std::move(state);
  }
  static Answer ok(int64_t seq) { return {.status = 200, .seq = seq}; }
  static Answer none(int64_t latest) { return {.status = 470, .latest = latest}; }
  // A segment with bytes, read to its end.
  static void read_segment(SubscriberState& state, int64_t seq) {
    ASSERT_EQ(state.on_answer(ok(seq)), Verdict::kRead);
    state.on_delivered(10);
    ASSERT_EQ(state.on_complete(10), Verdict::kSegmentDone);
  }
  [[nodiscard]] milliseconds delay(const SubscriberState& state) const {
    return std::chrono::round<milliseconds>(state.ask().not_before - clock_.now());
  }
  FakeClock clock_;
};

TEST_F(SubscriberRules, StartsAreWordsOrNumbers) {
  EXPECT_EQ(make().ask().number, "-2");
  EXPECT_EQ(make({.start = "next"}).ask().number, "-1");
  EXPECT_EQ(make({.start = "17"}).ask().number, "17");
  EXPECT_EQ(make({.start = "-1"}).ask().number, "-1");
  EXPECT_EQ(make({.start = "-3"}).ask().number, "next");
  for (const char* wrong : {"", "-", "-0", "0x1", "9223372036854775807", "now", "1 "}) {
    const auto made = SubscriberState::make({.start = wrong}, "", clock_);
    EXPECT_FALSE(made) << wrong;
  }
}

TEST_F(SubscriberRules, AStartFromTheEndIsCountedFromTheNextNumberWhateverTheServerUnderstands) {
  auto state = make({.start = "-3"});
  EXPECT_EQ(state.on_answer({.status = 200, .latest = 12}), Verdict::kAsk);
  EXPECT_EQ(state.ask().number, "10");
  EXPECT_EQ(state.on_answer(none(12)), Verdict::kAsk);  // Further back than the server reaches.
  EXPECT_EQ(state.ask().number, "oldest");
  EXPECT_EQ(state.on_answer(ok(11)), Verdict::kRead);
  EXPECT_EQ(state.gaps(), 0U);

  auto young = make({.start = "-3"});
  EXPECT_EQ(young.on_answer({.status = 200, .latest = 1}), Verdict::kAsk);
  EXPECT_EQ(young.ask().number, "0");

  auto older = make({.start = "-3"});
  EXPECT_EQ(older.on_answer({.status = 400}), Verdict::kAsk);
  EXPECT_EQ(older.ask().number, "-2");

  auto missing = make({.start = "-3"});
  EXPECT_EQ(missing.on_answer({.status = 404}), Verdict::kFail);
  EXPECT_EQ(missing.error().kind(), ErrorKind::kNotFound);
}

TEST_F(SubscriberRules, TheNextNumberIsTheOneAnsweredPlusOne) {
  auto state = make();
  read_segment(state, 41);
  EXPECT_EQ(state.ask().number, "42");
}

TEST_F(SubscriberRules, BehindTheLargestNumberThereIsNone) {
  constexpr int64_t kLargest = std::numeric_limits<int64_t>::max() - 1;
  auto state = make();
  EXPECT_EQ(state.on_answer({.status = 200, .seq = kLargest}), Verdict::kRead);
  EXPECT_EQ(state.on_complete(0), Verdict::kSegmentDone);
  EXPECT_EQ(state.on_answer({.status = 200}), Verdict::kFail);
}

TEST_F(SubscriberRules, AnEmptySegmentIsNoEnd) {
  auto state = make();
  ASSERT_EQ(state.on_answer(ok(3)), Verdict::kRead);
  EXPECT_EQ(state.on_complete(0), Verdict::kSegmentDone);
  EXPECT_EQ(state.ask().number, "4");
  EXPECT_EQ(state.gaps(), 0U);
}

TEST_F(SubscriberRules, ClosedIsTheEndWhateverTheStatus) {
  for (const int status : {200, 404, 470}) {
    auto state = make();
    read_segment(state, 0);
    EXPECT_EQ(state.on_answer({.status = status, .closed = true}), Verdict::kEnd);
  }
}

TEST_F(SubscriberRules, NotFoundAtFirstIsAFailureAndLaterTheEnd) {
  auto first = make();
  ASSERT_EQ(first.on_answer({.status = 404}), Verdict::kFail);
  EXPECT_EQ(first.error().kind(), ErrorKind::kNotFound);
  auto later = make();
  read_segment(later, 0);
  EXPECT_EQ(later.on_answer({.status = 404}), Verdict::kEnd);
}

TEST_F(SubscriberRules, SegmentsThatEndedWithTheirStreamBeforeTheyWereReadAreAGap) {
  auto state = make({.start = "0"});
  ASSERT_EQ(state.on_answer({.status = 200, .seq = 0, .latest = 3}), Verdict::kRead);
  state.on_delivered(1);
  ASSERT_EQ(state.on_complete(1), Verdict::kSegmentDone);
  EXPECT_EQ(state.on_answer({.status = 404}), Verdict::kEnd);
  EXPECT_EQ(state.gaps(), 1U);
}

TEST_F(SubscriberRules, AnEndThatSaysHowFarTheStreamWentTellsWhatWasMissedAlsoOverABrokenConnection) {
  for (const bool broken : {false, true}) {
    auto state = make();
    read_segment(state, 7);
    if (broken) state.on_failure(kBroken, true);
    EXPECT_EQ(state.on_answer({.status = 404, .latest = 960, .closed = true}), Verdict::kEnd);
    EXPECT_EQ(state.gaps(), 1U);
  }
  auto state = make({.wait_for_channel = seconds(10)});
  EXPECT_EQ(state.on_answer({.status = 404, .latest = 960, .closed = true}),
            Verdict::kAsk);  // One before ours.
  read_segment(state, 7);
  EXPECT_EQ(state.on_answer({.status = 404, .latest = 8, .closed = true}), Verdict::kEnd);
  EXPECT_EQ(state.gaps(), 0U);
}

TEST_F(SubscriberRules, AChannelThatMayComeIsAskedForUntilTheTimeIsUp) {
  auto state = make({.wait_for_channel = seconds(10)});
  ASSERT_EQ(state.on_answer({.status = 404}), Verdict::kAsk);
  EXPECT_EQ(delay(state), milliseconds(250));
  clock_.advance(seconds(9));
  ASSERT_EQ(state.on_answer({.status = 404}), Verdict::kAsk);
  clock_.advance(seconds(1));
  EXPECT_EQ(state.on_answer({.status = 404}), Verdict::kFail);
}

TEST_F(SubscriberRules, FallenOutOfTheWindowItJumpsToLatestAndCountsTheGap) {
  auto state = make();
  read_segment(state, 5);
  ASSERT_EQ(state.on_answer(none(20)), Verdict::kAsk);
  EXPECT_EQ(state.ask().number, "20");
  EXPECT_EQ(delay(state), milliseconds(0));
  EXPECT_EQ(state.gaps(), 1U);
}

TEST_F(SubscriberRules, FallenOutOfTheWindowItGoesOnWithTheOldestIfAskedTo) {
  auto state = make({.on_gap = OnGap::kOldest});
  read_segment(state, 5);
  ASSERT_EQ(state.on_answer(none(20)), Verdict::kAsk);
  EXPECT_EQ(state.ask().number, "oldest");
  ASSERT_EQ(state.on_answer(ok(16)), Verdict::kRead);
  EXPECT_EQ(state.gaps(), 1U);
}

TEST_F(SubscriberRules, AHoleBetweenTheSegmentsOfTheServerIsSteppedOver) {
  auto state = make({.on_gap = OnGap::kOldest});
  read_segment(state, 5);
  ASSERT_EQ(state.on_answer(none(20)), Verdict::kAsk);
  EXPECT_EQ(state.ask().number, "oldest");
  ASSERT_EQ(state.on_answer(ok(2)), Verdict::kAsk);  // Not read a second time.
  EXPECT_EQ(state.ask().number, "7");
  ASSERT_EQ(state.on_answer(ok(7)), Verdict::kRead);
  EXPECT_EQ(state.gaps(), 1U);
}

TEST_F(SubscriberRules, AnOlderServerThatDoesNotKnowOldestIsAskedForTheCurrentOne) {
  auto state = make({.start = "oldest"});
  ASSERT_EQ(state.on_answer({.status = 400}), Verdict::kAsk);
  EXPECT_EQ(state.ask().number, "-2");
}

TEST_F(SubscriberRules, AheadOfTheServerItAsksForTheSameNumberForEver) {
  auto state = make();
  read_segment(state, 5);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(state.on_answer(none(6)), Verdict::kAsk);
    ASSERT_EQ(state.ask().number, "6");
    ASSERT_EQ(delay(state), milliseconds(250));
    clock_.advance(milliseconds(250));
  }
  EXPECT_EQ(state.gaps(), 0U);
  EXPECT_EQ(state.on_answer(ok(6)), Verdict::kRead);
}

TEST_F(SubscriberRules, AfterALostServerLowerNumbersAreTakenForANewBeginning) {
  auto state = make({.connection = {.retries = std::nullopt}});
  read_segment(state, 50);
  ASSERT_EQ(state.on_failure(kBroken, true), Verdict::kAsk);
  ASSERT_EQ(state.on_answer(none(0)), Verdict::kAsk);
  EXPECT_EQ(state.ask().number, "51");  // Its publisher may come back and go on with 51.
  ASSERT_EQ(state.on_answer(none(3)), Verdict::kAsk);
  EXPECT_EQ(state.ask().number, "3");
  EXPECT_EQ(state.gaps(), 1U);
}

TEST_F(SubscriberRules, AfterALostServerAnEmptyChannelIsWaitedForAsLongAsItsPublisherMayTake) {
  auto state = make({.connection = {.retries = std::nullopt}});
  read_segment(state, 50);
  ASSERT_EQ(state.on_failure(kBroken, true), Verdict::kAsk);
  ASSERT_EQ(state.on_answer(none(0)), Verdict::kAsk);
  clock_.advance(seconds(4));
  ASSERT_EQ(state.on_answer(none(0)), Verdict::kAsk);
  EXPECT_EQ(state.ask().number, "51");
  clock_.advance(seconds(1));
  ASSERT_EQ(state.on_answer(none(0)), Verdict::kAsk);
  EXPECT_EQ(state.ask().number, "0");
  EXPECT_EQ(state.gaps(), 1U);
}

TEST_F(SubscriberRules, ASegmentBelowTheOneAskedForIsNeverPassedOn) {
  auto state = make();
  read_segment(state, 5);
  ASSERT_EQ(state.on_answer(none(20)), Verdict::kAsk);
  ASSERT_EQ(state.on_answer(ok(4)), Verdict::kAsk);  // An old one, after a 470.
  EXPECT_EQ(state.ask().number, "20");
  EXPECT_EQ(state.on_answer(ok(20)), Verdict::kRead);
}

TEST_F(SubscriberRules, AChannelThatEndedBeforeWeCameIsNotFoundAndOneThatEndsMeanwhileIsTheEnd) {
  auto late = make();
  ASSERT_EQ(late.on_answer({.status = 404, .closed = true}), Verdict::kFail);
  EXPECT_EQ(late.error().kind(), ErrorKind::kNotFound);
  auto resuming = make({.connection = {.retries = std::nullopt}});
  read_segment(resuming, 3);
  ASSERT_EQ(resuming.on_failure(kBroken, true), Verdict::kAsk);
  EXPECT_EQ(resuming.on_answer({.status = 404, .closed = true}), Verdict::kEnd);
}

TEST_F(SubscriberRules, ABrokenSegmentIsResumedBehindTheBytesThatWerePassedOn) {
  auto state = make();
  ASSERT_EQ(state.on_answer(ok(7)), Verdict::kRead);
  state.on_delivered(1000);
  ASSERT_EQ(state.on_failure(kBroken, true), Verdict::kAsk);
  EXPECT_EQ(state.ask().number, "7");
  ASSERT_EQ(state.on_answer(ok(7)), Verdict::kRead);
  EXPECT_EQ(state.skip_bytes(), 1000U);
  state.on_delivered(500);
  EXPECT_EQ(state.on_complete(1500), Verdict::kSegmentDone);
  EXPECT_EQ(state.gaps(), 0U);
}

TEST_F(SubscriberRules, ABrokenSegmentThatCanNotBeHadAnyMoreIsAGapAndTheNextOneFollows) {
  const std::vector<Answer> answers{
      none(20), ok(9), {.status = 200, .closed = true}, {.status = 404, .closed = true}};
  for (const Answer& answer : answers) {
    auto state = make();
    ASSERT_EQ(state.on_answer(ok(7)), Verdict::kRead);
    state.on_delivered(1000);
    ASSERT_EQ(state.on_failure(kBroken, true), Verdict::kAsk);
    ASSERT_EQ(state.on_answer(answer), Verdict::kSegmentLost);
    EXPECT_EQ(state.ask().number, "8");
    EXPECT_EQ(state.gaps(), 1U);
  }
}

TEST_F(SubscriberRules, AResumedSegmentThatIsShorterThanWhatWasReadIsAGap) {
  auto state = make();
  ASSERT_EQ(state.on_answer(ok(7)), Verdict::kRead);
  state.on_delivered(1000);
  ASSERT_EQ(state.on_failure(kBroken, true), Verdict::kAsk);
  ASSERT_EQ(state.on_answer(ok(7)), Verdict::kRead);
  EXPECT_EQ(state.on_complete(900), Verdict::kSegmentLost);
  EXPECT_EQ(state.gaps(), 1U);
}

TEST_F(SubscriberRules, FailuresAreRetriedWithPausesThatDoubleUpToTwoSeconds) {
  auto state = make();
  for (const int most : {500, 1000, 2000, 2000, 2000}) {
    ASSERT_EQ(state.on_failure(kBroken, true), Verdict::kAsk);
    EXPECT_LE(delay(state).count(), most);
    EXPECT_GE(delay(state).count(), most * 3 / 4);
  }
  ASSERT_EQ(state.on_failure(kBroken, true), Verdict::kFail);
  EXPECT_EQ(state.error().kind(), ErrorKind::kNetwork);
}

TEST_F(SubscriberRules, ServerErrorsAreRetriedAndBytesBeginTheCountAnew) {
  auto state = make();
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(state.on_answer({.status = 503}), Verdict::kAsk);
    ASSERT_EQ(state.on_answer(ok(0)), Verdict::kRead);
    state.on_delivered(1);
    ASSERT_EQ(state.on_failure(kBroken, true), Verdict::kAsk);
  }
}

TEST_F(SubscriberRules, AnAnswerWithoutBytesDoesNotBeginTheCountAnew) {
  auto state = make({.connection = {.retries = 3}});
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(state.on_answer(ok(0)), Verdict::kRead);
    ASSERT_EQ(state.on_failure(kBroken, true), Verdict::kAsk);
  }
  ASSERT_EQ(state.on_answer(ok(0)), Verdict::kRead);
  EXPECT_EQ(state.on_failure(kBroken, true), Verdict::kFail);
}

TEST_F(SubscriberRules, RefusalsAndRedirectsAreNotRetried) {
  for (const auto& [status, kind] :
       {std::pair{401, ErrorKind::kRefused}, std::pair{403, ErrorKind::kRefused},
        std::pair{302, ErrorKind::kNetwork}, std::pair{400, ErrorKind::kNetwork}}) {
    auto state = make({.connection = {.retries = std::nullopt}});
    ASSERT_EQ(state.on_answer({.status = status}), Verdict::kFail);
    EXPECT_EQ(state.error().kind(), kind);
  }
}

TEST_F(SubscriberRules, ARefusedCertificateIsNotRetried) {
  auto state = make({.connection = {.retries = std::nullopt}});
  EXPECT_EQ(state.on_failure(kBroken, false), Verdict::kFail);
}

TEST_F(SubscriberRules, AfterALostServerAMissingChannelIsWaitedForAsLongAsRetriesLast) {
  auto state = make({.connection = {.retries = 2}});
  read_segment(state, 0);
  ASSERT_EQ(state.on_failure(kBroken, true), Verdict::kAsk);
  ASSERT_EQ(state.on_answer({.status = 404}), Verdict::kAsk);
  EXPECT_EQ(state.on_answer({.status = 404}), Verdict::kEnd);
}

}  // namespace
}  // namespace trickle
