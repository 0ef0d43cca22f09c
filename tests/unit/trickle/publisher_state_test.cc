#include "unit/trickle/publisher_rules.h"

namespace trickle {
namespace {

TEST_F(PublisherRules, NumbersBeginWithTheServersNextAndTheFirstPostSaysReset) {
  auto state = running({}, 12);
  auto posts = state.posts();
  ASSERT_EQ(posts.size(), 1U);
  EXPECT_EQ(posts[0].number, 12);
  EXPECT_TRUE(posts[0].reset);
}

TEST_F(PublisherRules, AServerWithoutNextBeginsAtZero) {
  for (const int status : {400, 404}) {
    auto state = make();
    state.on_control_answer({.status = 404}, "Stream not found\n");
    state.on_control_answer({.status = status}, "strconv.Atoi: 17");
    EXPECT_EQ(state.posts().at(0).number, 0);
  }
}

TEST_F(PublisherRules, TheNextSegmentIsConnectedOnceTheOneBeforeCarriesData) {
  auto state = running();
  state.begin_segment();
  EXPECT_EQ(state.posts().size(), 1U);
  write(state, 10);
  EXPECT_FALSE(send_all(state, 0));
  const auto posts = state.posts();
  ASSERT_EQ(posts.size(), 2U);
  EXPECT_EQ(posts[1].number, 1);
  EXPECT_FALSE(posts[1].reset);
  std::array<std::byte, 10> buffer{};
  EXPECT_EQ(state.read(1, buffer), kNotYet);
}

TEST_F(PublisherRules, OnlyOneSegmentCarriesDataAtATime) {
  auto state = running();
  publish(state, 10);
  publish(state, 10);
  open_posts(state);
  std::array<std::byte, 100> buffer{};
  EXPECT_EQ(state.read(1, buffer), kNotYet);
  EXPECT_EQ(state.read(0, buffer), 10U);
  EXPECT_EQ(state.read(1, buffer), kNotYet);
  EXPECT_EQ(state.read(0, buffer), 0U);
  open_posts(state);
  clock_.advance(milliseconds(25));
  EXPECT_EQ(state.read(1, buffer), 10U);
}

// Each has a connection of its own, so that the server might see a quick one before the one before it.
TEST_F(PublisherRules, ASegmentBeginsBehindTheStatusOfTheOneBeforeOrALittleAfterItsFirstByte) {
  auto state = running();
  std::array<std::byte, 100> buffer{};
  for (int i = 0; i < 3; ++i) publish(state, 10);
  open_posts(state);
  EXPECT_TRUE(send_all(state, 0));
  open_posts(state);
  EXPECT_FALSE(state.has_bytes_for(1));
  EXPECT_EQ(state.read(1, buffer), kNotYet);
  EXPECT_EQ(state.deadline(), clock_.now() + milliseconds(25));
  state.on_post_answer(0, {.status = 200});
  EXPECT_TRUE(send_all(state, 1));
  open_posts(state);
  EXPECT_EQ(state.read(2, buffer), kNotYet);
  clock_.advance(milliseconds(25));
  EXPECT_EQ(state.read(2, buffer), 10U);
}

TEST_F(PublisherRules, BytesCountAsPublishedOnlyWhenTheirStatusIsThere) {
  auto state = running();
  publish(state, 10);
  open_posts(state);
  EXPECT_TRUE(send_all(state, 0));
  EXPECT_EQ(state.totals().acknowledged_bytes, 0U);
  state.on_post_answer(0, {.status = 200});
  EXPECT_EQ(state.totals().acknowledged_bytes, 10U);
  EXPECT_EQ(state.totals().lost_bytes, 0U);
}

TEST_F(PublisherRules, AFailureBeforeAnyByteWentOutIsTriedAgainWithTheSameNumber) {
  auto state = running();
  publish(state, 10);
  const auto before = state.posts();
  state.on_post_failure(0, kBroken, true);
  EXPECT_TRUE(state.posts().empty());
  clock_.advance(milliseconds(250));
  const auto again = state.posts();
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].number, before[0].number);
  EXPECT_NE(again[0].attempt, before[0].attempt);
  EXPECT_TRUE(send_all(state, 0));
}

TEST_F(PublisherRules, ResetIsSaidAgainUntilAByteOfTheFirstSegmentWentOut) {
  auto state = running();
  std::array<std::byte, 10> buffer{};
  EXPECT_TRUE(state.posts().at(0).reset);
  EXPECT_EQ(state.read(0, buffer), kNotYet);  // Connected ahead of its first byte …
  state.on_post_failure(0, kBroken, true);    // … and perhaps never seen by the server.
  clock_.advance(milliseconds(250));
  EXPECT_TRUE(state.posts().at(0).reset);
  publish(state, 10);
  EXPECT_EQ(state.read(0, buffer), 10U);
  for (const auto& post : state.posts()) EXPECT_FALSE(post.reset);
}

TEST_F(PublisherRules, AFailureAfterBytesWentOutLosesTheSegmentAndDeletesIt) {
  auto state = running();
  state.begin_segment();
  write(state, 10);
  open_posts(state);
  send_all(state, 0);
  open_posts(state);
  state.on_post_failure(0, kBroken, true);
  ASSERT_TRUE(state.control());
  EXPECT_EQ(state.control()->kind, Kind::kDeleteSegment);
  EXPECT_EQ(state.control()->number, 0);
  write(state, 5);  // The rest of it is dropped …
  EXPECT_EQ(state.totals().lost_bytes, 15U);
  publish(state, 10);  // … and the next one has the next number.
  EXPECT_EQ(state.posts().at(0).number, 1);
  EXPECT_FALSE(state.error());
}

TEST_F(PublisherRules, ANumberThatTheServerClosedUnusedIsNotUsedAgain) {
  auto state = running();
  open_posts(state);
  state.on_post_answer(0, {.status = 200, .seq = 0});
  publish(state, 10);
  EXPECT_EQ(state.posts().at(0).number, 1);
  EXPECT_TRUE(send_all(state, 0));
  EXPECT_EQ(state.totals().lost_bytes, 0U);
}

TEST_F(PublisherRules, AnEarlySuccessInTheMiddleOfASegmentIsALoss) {
  auto state = running();
  state.begin_segment();
  write(state, 10);
  open_posts(state);
  send_all(state, 0);
  state.on_post_answer(0, {.status = 200});
  EXPECT_EQ(state.totals().lost_bytes, 10U);
}

TEST_F(PublisherRules, AStreamThatIsGoneEndsIt) {
  for (const Answer& answer : {Answer{.status = 404}, Answer{.status = 200, .closed = true}}) {
    auto state = running();
    publish(state, 10);
    open_posts(state);
    state.on_post_answer(0, answer);
    ASSERT_TRUE(state.error());
    EXPECT_EQ(state.error()->kind(), ErrorKind::kNotFound);
    EXPECT_EQ(state.totals().lost_bytes, 10U);
    EXPECT_TRUE(state.finished());
  }
}

TEST_F(PublisherRules, AnotherWriterEndsItAsAFailure) {
  auto state = running();
  publish(state, 10);
  open_posts(state);
  state.on_post_answer(0, {.status = 409});
  ASSERT_TRUE(state.error());
  EXPECT_EQ(state.error()->kind(), ErrorKind::kIo);
}

TEST_F(PublisherRules, ASegmentThatIsTooLargeIsLostAndTheStreamGoesOn) {
  auto state = running();
  publish(state, 10);
  open_posts(state);
  state.on_post_answer(0, {.status = 413});
  EXPECT_FALSE(state.error());
  EXPECT_EQ(state.totals().lost_segments, 1U);
}

TEST_F(PublisherRules, TheEndIsTheLastSegmentThenTheChannelThenDone) {
  auto state = running();
  publish(state, 10);
  open_posts(state);
  state.close();
  EXPECT_FALSE(state.control());
  send_all(state, 0);
  state.on_post_answer(0, {.status = 200});
  EXPECT_FALSE(state.control());  // Its readers may just have begun to ask for it.
  clock_.advance(milliseconds(500));
  ASSERT_TRUE(state.control());
  EXPECT_EQ(state.control()->kind, Kind::kDeleteChannel);
  EXPECT_FALSE(state.finished());
  state.on_control_answer({.status = 200}, "");
  EXPECT_TRUE(state.finished());
  EXPECT_FALSE(state.error());
}

TEST_F(PublisherRules, AKeptChannelIsNotDeleted) {
  auto state = running({.keep_channel = true});
  state.close();
  EXPECT_TRUE(state.finished());
}

TEST_F(PublisherRules, EveryByteIsAcknowledgedOrLostWhateverHappens) {
  auto state = running({.on_lag = OnLag::kDrop, .buffer_bytes = 300});
  uint64_t accepted = 0;
  uint32_t random = 1;
  for (int i = 0; i < 5000 && !state.error(); ++i) {
    random = random * 1664525U + 1013904223U;
    const auto posts = state.posts();
    switch (random >> 29) {
      case 0:
        if (state.room_for_segment() == Room::kYes) state.begin_segment();
        break;
      case 1:
      case 2:
        if (state.has_open_segment() && state.room_for_bytes(50) == Room::kYes) {
          write(state, 50);
          accepted += 50;
        }
        break;
      case 3:
        if (state.has_open_segment()) state.end_segment();
        break;
      case 4:
        for (const auto& post : posts) send_all(state, post.id);
        break;
      case 5:
        if (!posts.empty()) state.on_post_answer(posts[0].id, {.status = 200});
        break;
      case 6:
        if (!posts.empty() && (random >> 20) % 4 == 0) state.on_post_failure(posts.back().id, kBroken, true);
        break;
      default:
        clock_.advance(milliseconds(100));
        if (state.control()) state.on_control_answer({.status = 200}, "");
        break;
    }
  }
  state.close();
  for (int i = 0; i < 100 && !state.finished(); ++i) {
    clock_.advance(milliseconds(300));
    const auto posts = state.posts();
    for (const auto& post : posts) send_all(state, post.id);
    if (!posts.empty()) state.on_post_answer(posts[0].id, {.status = 200});
    if (state.control()) state.on_control_answer({.status = 200}, "");
  }
  ASSERT_TRUE(state.finished());
  const PublisherTotals totals = state.totals();
  EXPECT_EQ(totals.accepted_bytes, accepted);
  EXPECT_EQ(totals.acknowledged_bytes + totals.lost_bytes, accepted);
  EXPECT_GT(totals.acknowledged_bytes, 0U);
  EXPECT_GT(totals.lost_bytes, 0U);
}

}  // namespace
}  // namespace trickle
