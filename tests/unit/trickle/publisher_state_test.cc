#include "trickle/publisher_state.h"

#include <gtest/gtest.h>

#include <array>

namespace trickle {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = PublisherState::Control::Kind;
using Room = PublisherState::Room;

constexpr size_t kNotYet = static_cast<size_t>(-1);
const Error kBroken(ErrorKind::kNetwork, "connection reset");

class PublisherRules : public ::testing::Test {
 protected:
  PublisherState make(const PublisherOptions& options = {}) {
    return {options, "http://host/channel", clock_};
  }

  // Through create and next, as a server with `next` segments answers.
  PublisherState running(const PublisherOptions& options = {}, int64_t next = 0) {
    PublisherState state = make(options);
    EXPECT_EQ(state.control()->kind, Kind::kCreate);
    state.on_control_answer({.status = 200}, "");
    if (!options.start) {
      EXPECT_EQ(state.control()->kind, Kind::kNext);
      state.on_control_answer({.status = 200, .latest = next}, std::to_string(next) + "\n");
    }
    EXPECT_FALSE(state.control());
    return state;
  }
  static void write(PublisherState& state, size_t bytes) {
    const std::vector<std::byte> data(bytes, std::byte{7});
    state.append(data);
  }
  static void open_posts(PublisherState& state) { [[maybe_unused]] const auto posts = state.posts(); }
  // Sends all that a segment has; true when its body has ended.
  static bool send_all(PublisherState& state, uint64_t id) {
    std::array<std::byte, 1000> buffer{};
    while (true) {
      const size_t size = state.read(id, buffer);
      if (size == 0 || size == kNotYet) return size == 0;
    }
  }
  static void publish(PublisherState& state, size_t bytes) {
    state.begin_segment();
    write(state, bytes);
    state.end_segment();
  }
  FakeClock clock_;
};

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
