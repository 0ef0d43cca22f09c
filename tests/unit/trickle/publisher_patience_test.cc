// How long a publisher waits, and what it does with more than the server takes.
#include "unit/trickle/publisher_rules.h"

namespace trickle {
namespace {

TEST_F(PublisherRules, NoServerForTwentySecondsIsTheEnd) {
  auto state = make();
  for (int i = 0; i < 79; ++i) {
    ASSERT_TRUE(state.control());
    state.on_control_failure(kBroken, true);
    clock_.advance(milliseconds(250));
    state.tick();
    ASSERT_FALSE(state.error());
  }
  clock_.advance(milliseconds(500));
  state.tick();
  ASSERT_TRUE(state.error());
  EXPECT_EQ(state.error()->kind(), ErrorKind::kNetwork);
}

TEST_F(PublisherRules, NoServerIsWaitedForWithoutEndIfAskedToUntilThereIsAHurry) {
  PublisherOptions options;
  options.connection.retries = std::nullopt;
  auto state = make(options);
  state.on_control_failure(kBroken, true);
  clock_.advance(std::chrono::hours(5));
  state.tick();
  EXPECT_FALSE(state.error());
  state.hurry();
  clock_.advance(seconds(21));
  state.tick();
  EXPECT_TRUE(state.error());
}

TEST_F(PublisherRules, APostThatTakesNothingForTwentySecondsHasFailed) {
  auto state = running();
  publish(state, 10);
  const int attempt = state.posts().at(0).attempt;
  clock_.advance(seconds(20));
  state.tick();
  clock_.advance(milliseconds(250));
  EXPECT_NE(state.posts().at(0).attempt, attempt);
  EXPECT_EQ(state.totals().lost_bytes, 0U);
}

TEST_F(PublisherRules, APostWithoutAStatusForTwentySecondsHasFailed) {
  auto state = running();
  publish(state, 10);
  open_posts(state);
  send_all(state, 0);
  clock_.advance(seconds(19));
  state.tick();
  EXPECT_EQ(state.totals().lost_bytes, 0U);
  clock_.advance(seconds(1));
  state.tick();
  EXPECT_EQ(state.totals().lost_bytes, 10U);
}

TEST_F(PublisherRules, ASegmentThatStaysOpenWithoutBytesHasNotFailed) {
  auto state = running();
  state.begin_segment();
  write(state, 10);
  open_posts(state);
  send_all(state, 0);
  clock_.advance(std::chrono::minutes(30));
  state.tick();
  EXPECT_EQ(state.totals().lost_bytes, 0U);
  EXPECT_FALSE(state.deadline());
}

TEST_F(PublisherRules, BlockLetsThreeBeOnTheirWayAndLosesNothing) {
  auto state = running();
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(state.room_for_segment(), Room::kYes);
    publish(state, 10);
  }
  EXPECT_EQ(state.room_for_segment(), Room::kWait);
  open_posts(state);
  send_all(state, 0);
  state.on_post_answer(0, {.status = 200});
  EXPECT_EQ(state.room_for_segment(), Room::kYes);
  EXPECT_EQ(state.totals().lost_bytes, 0U);
}

TEST_F(PublisherRules, DropGivesUpTheOldestSegmentOfWhichNothingWasSent) {
  auto state = running({.on_lag = OnLag::kDrop});
  for (int i = 0; i < 4; ++i) publish(state, 10);
  open_posts(state);
  send_all(state, 0);
  open_posts(state);
  ASSERT_EQ(state.room_for_segment(), Room::kYes);
  EXPECT_TRUE(state.is_wanted(0));
  EXPECT_FALSE(state.is_wanted(1));
  ASSERT_TRUE(state.control());
  EXPECT_EQ(state.control()->number, 1);
  EXPECT_EQ(state.totals().lost_bytes, 10U);
}

// The sockets of a server that stands still take the whole of a short segment.
TEST_F(PublisherRules, NoMoreThanThreeSegmentsWaitForTheirStatus) {
  auto state = running({.on_lag = OnLag::kDrop});
  const auto send_what_it_can = [&] {
    clock_.advance(milliseconds(25));
    for (const auto& post : state.posts()) send_all(state, post.id);
  };
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(state.room_for_segment(), Room::kYes);
    publish(state, 10);
    send_what_it_can();
    EXPECT_LE(state.in_flight(), 4U);
  }
  EXPECT_EQ(state.totals().lost_segments, 16U);
  clock_.advance(seconds(19));
  state.tick();
  EXPECT_EQ(state.in_flight(), 4U);
  for (const uint64_t id : {0, 1, 2}) state.on_post_answer(id, {.status = 200});
  clock_.advance(seconds(19));  // The one that was held has begun to wait only now.
  state.tick();
  EXPECT_EQ(state.in_flight(), 1U);
  send_what_it_can();
  state.on_post_answer(19, {.status = 200});
  EXPECT_EQ(state.in_flight(), 0U);
  EXPECT_EQ(state.totals().acknowledged_segments, 4U);
}

TEST_F(PublisherRules, FailGivesUpWhenTheServerIsTooSlow) {
  auto state = running({.on_lag = OnLag::kFail});
  for (int i = 0; i < 4; ++i) publish(state, 10);
  EXPECT_EQ(state.room_for_segment(), Room::kFail);
  EXPECT_EQ(state.error()->kind(), ErrorKind::kIo);
}

TEST_F(PublisherRules, TheBufferIsBoundedAsOnLagSays) {
  auto block = running({.buffer_bytes = 100});
  block.begin_segment();
  EXPECT_EQ(block.room_for_bytes(1000), Room::kYes);  // One piece always fits into an empty buffer.
  write(block, 100);
  EXPECT_EQ(block.room_for_bytes(1), Room::kWait);

  auto drop = running({.on_lag = OnLag::kDrop, .buffer_bytes = 100});
  publish(drop, 60);
  drop.begin_segment();
  EXPECT_EQ(drop.room_for_bytes(60), Room::kYes);
  EXPECT_FALSE(drop.is_wanted(0));
  write(drop, 60);
  EXPECT_EQ(drop.buffered_bytes(), 60U);
}

TEST_F(PublisherRules, GivenUpItEndsAtOnceAndCountsWhatWasNotAcknowledged) {
  auto state = running();
  publish(state, 10);
  state.close();
  EXPECT_FALSE(state.finished());
  state.give_up();
  ASSERT_TRUE(state.finished());
  EXPECT_EQ(state.error()->kind(), ErrorKind::kCancelled);
  EXPECT_EQ(state.totals().lost_bytes, 10U);
}

}  // namespace
}  // namespace trickle
