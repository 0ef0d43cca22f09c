// The rules of the protocol, on a fake clock: what is written and read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/trickle/store_fixture.h"

namespace trickle {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::Get;
using ::testing::IsEmpty;
using testing::Kind;
using testing::Post;

class Store : public testing::StoreTest {};

// Creation.

TEST_F(Store, CreatesAChannelOnceAndKeepsItsContentType) {
  EXPECT_EQ(store_->create("cam", {.content_type = "a/b"}, true), CreateStatus::kCreated);
  EXPECT_EQ(store_->create("cam", {.content_type = "c/d"}, true), CreateStatus::kExists);
  EXPECT_EQ(store_->find("cam")->content_type, "a/b");
  EXPECT_EQ(next(), 0);
}

TEST_F(Store, APostCreatesItsChannelOnlyWhereItMay) {
  EXPECT_EQ(post(0, false, false)->grant.status, WriteStatus::kNoChannel);
  EXPECT_EQ(store_->create("cam", {}, false), CreateStatus::kNoChannel);
  EXPECT_EQ(store_->find("cam"), nullptr);
  EXPECT_EQ(post(0)->grant.status, WriteStatus::kGranted);
  EXPECT_EQ(store_->find("cam")->content_type, "video/mp2t");
}

TEST_F(Store, RefusesOneChannelMoreThanItsLimit) {
  limit({.max_channels = 1});
  EXPECT_EQ(store_->create("one", {}, true), CreateStatus::kCreated);
  EXPECT_EQ(store_->create("two", {}, true), CreateStatus::kTooManyChannels);
  EXPECT_EQ(post(0)->grant.status, WriteStatus::kTooManyChannels);
}

// Numbers.

TEST_F(Store, NextMovesAtTheFirstByteAndNotBefore) {
  auto first = post(0);
  EXPECT_EQ(next(), 0);
  first->send("x");
  EXPECT_EQ(next(), 1);
}

TEST_F(Store, PitfallAnEmptySegmentAdvancesNext) {
  write(0, "");
  EXPECT_EQ(next(), 1);
  auto reader = get(0);
  EXPECT_EQ(reader->state(), SegmentState::kClosed);
  auto deleted = post(1);
  EXPECT_EQ(store_->close_segment("cam", 1), CloseStatus::kClosed);
  EXPECT_EQ(next(), 2);
  EXPECT_THAT(deleted->ends, ElementsAre(WriterEnd::kSegmentClosed));
}

TEST_F(Store, MinusOneWritesTheNextNumber) {
  write(7, "x");
  auto next_one = post(std::nullopt);
  EXPECT_EQ(next_one->grant.number, 8);
}

TEST_F(Store, PitfallPostsOfZeroAndOneMayArriveSwapped) {
  auto one = post(1);
  auto zero = post(0);
  auto zero_reader = get(0);
  auto one_reader = get(1);
  one->send("1");
  EXPECT_EQ(next(), 2);
  EXPECT_EQ(zero->send("0"), AppendStatus::kTaken);
  EXPECT_EQ(next(), 2);
  zero->finish();
  one->finish();
  EXPECT_EQ(zero_reader->text(), "0");
  EXPECT_EQ(one_reader->text(), "1");
  EXPECT_EQ(next(), 2);
}

TEST_F(Store, PitfallZeroMayArriveAfterOneIsComplete) {
  write(1, "1");
  auto zero = post(0, true);
  EXPECT_EQ(zero->grant.status, WriteStatus::kGranted);
  EXPECT_EQ(zero->send("0"), AppendStatus::kTaken);
  EXPECT_EQ(next(), 2);
  EXPECT_EQ(get(1)->text(), "1");
}

TEST_F(Store, PitfallNextNeverGoesBackAfterAStalePost) {
  write_many(4);
  EXPECT_EQ(post(2)->grant.status, WriteStatus::kAlreadyClosed);
  EXPECT_EQ(next(), 4);
  EXPECT_EQ(store_->totals().late_posts, 1u);
}

TEST_F(Store, ANumberInsideTheWindowThatWasNeverWrittenIsAcceptedLate) {
  write(0, "0");
  write(2, "2");
  write(1, "1");
  EXPECT_EQ(next(), 3);
  EXPECT_EQ(get(1)->text(), "1");
}

TEST_F(Store, NumbersBelowTheOldestKeptCountAsClosed) {
  write(100, "x");
  EXPECT_EQ(post(3)->grant.status, WriteStatus::kAlreadyClosed);
}

// Appending, and several writers.

TEST_F(Store, ARePostContinuesWhatAVanishedPublisherLeft) {
  auto first = post(0);
  first->send("abc");
  first.reset();
  auto reader = get(0);
  EXPECT_EQ(reader->state(), SegmentState::kOpen);
  auto second = post(0);
  second->send("def");
  second->finish();
  EXPECT_EQ(reader->text(), "abcdef");
  EXPECT_EQ(reader->state(), SegmentState::kClosed);
}

TEST_F(Store, AnOlderWriterIsCutOffByANewerOne) {
  auto older = post(0);
  older->send("old");
  auto newer = post(0);
  EXPECT_THAT(older->ends, ElementsAre(WriterEnd::kSuperseded));
  EXPECT_EQ(older->send("more"), AppendStatus::kDiscarded);
  newer->send("new");
  older->finish();
  EXPECT_EQ(get(0)->state(), SegmentState::kOpen);
  newer->finish();
  EXPECT_EQ(get(0)->text(), "oldnew");
  EXPECT_EQ(store_->totals().discarded_bytes, 4u);
}

TEST_F(Store, AWriterThatVanishesWithoutAByteLeavesNothing) {
  post(5).reset();
  EXPECT_THAT(store_->report().at(0).segments, IsEmpty());
}

TEST_F(Store, AReaderThatLeavesAPrecreatedSegmentLeavesNothing) {
  store_->create("cam", {}, true);
  auto reader = get(0);
  EXPECT_EQ(store_->report().at(0).segments.size(), 1u);
  const auto segment = reader->grant.segment;
  reader.reset();
  store_->release(segment);
  EXPECT_THAT(store_->report().at(0).segments, IsEmpty());
}

// Reset and starting over.

TEST_F(Store, ResetClosesWhatIsBelowAndKeepsItsBytes) {
  auto dead = post(0);
  dead->send("dead");
  auto waiting = get(1);
  auto reader = get(0);
  auto fresh = post(2, true);
  EXPECT_EQ(reader->state(), SegmentState::kClosed);
  EXPECT_EQ(reader->text(), "dead");
  EXPECT_EQ(waiting->state(), SegmentState::kClosed);
  EXPECT_GE(waiting->changes, 1);
  EXPECT_EQ(dead->send("late"), AppendStatus::kDiscarded);
  EXPECT_EQ(fresh->send("x"), AppendStatus::kTaken);
  EXPECT_EQ(next(), 3);
}

TEST_F(Store, ResetOnANumberThatIsClosedStartsTheChannelOver) {
  write_many(9);
  auto reader = get(9);
  auto preconnected = post(9);
  auto fresh = post(0, true);
  EXPECT_EQ(fresh->grant.status, WriteStatus::kGranted);
  EXPECT_TRUE(reader->grant.channel->closed);
  EXPECT_EQ(reader->state(), SegmentState::kClosed);
  EXPECT_THAT(preconnected->ends, ElementsAre(WriterEnd::kChannelClosed));
  EXPECT_EQ(next(), 0);
  fresh->send("again");
  EXPECT_EQ(get(0)->text(), "again");
}

TEST_F(Store, APublisherThatStartsOverWithoutResetIsHeardAfterFiveSilentSeconds) {
  write_many(9);
  clock_.advance(4s);
  EXPECT_EQ(post(0)->grant.status, WriteStatus::kAlreadyClosed);
  clock_.advance(1s);
  EXPECT_EQ(post(0)->grant.status, WriteStatus::kGranted);
  EXPECT_EQ(next(), 0);
}

TEST_F(Store, NobodyStartsOverWhileAWriterIsInTheMiddleOfASegment) {
  write_many(3);
  auto writing = post(3);
  writing->send("x");
  clock_.advance(1min);
  EXPECT_EQ(post(0)->grant.status, WriteStatus::kAlreadyClosed);
  EXPECT_EQ(next(), 4);
}

// The window.

TEST_F(Store, KeepsTheWindowAndNoMore) {
  write_many(8);
  EXPECT_EQ(get(2)->grant.status, ReadStatus::kNoSegment);
  EXPECT_EQ(get(3)->grant.status, ReadStatus::kSegment);
  EXPECT_EQ(store_->totals().segments_evicted, 3u);
}

TEST_F(Store, PitfallPrecreatedSegmentsDoNotPushWrittenOnesOut) {
  write_many(5);
  std::vector<std::unique_ptr<Post>> preconnects;
  for (SegmentNumber number = 5; number < 30; ++number) preconnects.push_back(post(number));
  EXPECT_EQ(get(0)->text(), "x");
}

TEST_F(Store, PitfallReadersOfASegmentThatIsOvertakenAreReleased) {
  store_->create("cam", {}, true);
  auto reader = get(0);
  for (SegmentNumber number = 1; number < 8; ++number) write(number, "x");
  EXPECT_EQ(reader->state(), SegmentState::kEvicted);
  EXPECT_GE(reader->changes, 1);
}

TEST_F(Store, PitfallASlowReaderLosesItsSegmentAndHoldsNoMemory) {
  auto writing = post(0);
  writing->send(std::string(100'000, 'x'));
  auto slow = get(0);
  for (SegmentNumber number = 1; number < 7; ++number) write(number, "x");
  EXPECT_EQ(slow->state(), SegmentState::kEvicted);
  EXPECT_THAT(slow->grant.segment->chunks(), IsEmpty());
  EXPECT_THAT(writing->ends, ElementsAre(WriterEnd::kSegmentClosed));
  EXPECT_LT(store_->totals().footprint_bytes, 10'000u);
}

// Reading.

TEST_F(Store, ReadsNextCurrentAndCountedFromTheEnd) {
  write_many(4);
  EXPECT_EQ(get(1, Kind::kFromEnd)->grant.segment->number(), 4);
  EXPECT_EQ(get(2, Kind::kFromEnd)->grant.segment->number(), 3);
  EXPECT_EQ(get(3, Kind::kFromEnd)->grant.segment->number(), 2);
  EXPECT_EQ(get(5, Kind::kFromEnd)->grant.segment->number(), 0);
  EXPECT_EQ(get(6, Kind::kFromEnd)->grant.status, ReadStatus::kNoSegment);
  EXPECT_EQ(get(INT64_MAX - 1, Kind::kFromEnd)->grant.status, ReadStatus::kNoSegment);
}

TEST_F(Store, CurrentOfAnEmptyChannelIsItsFirst) {
  store_->create("cam", {}, true);
  EXPECT_EQ(get(2, Kind::kFromEnd)->grant.segment->number(), 0);
}

TEST_F(Store, OldestIsTheOldestKeptAndIsWaitedForOnAnEmptyChannel) {
  store_->create("cam", {}, true);
  auto waiting = get(0, Kind::kOldest);
  EXPECT_EQ(waiting->grant.segment->number(), 0);
  write_many(8);
  EXPECT_EQ(get(0, Kind::kOldest)->grant.segment->number(), 3);
}

TEST_F(Store, PrecreatesNextAndTheFirstTwoAndNothingElse) {
  store_->create("cam", {}, true);
  auto zero = get(0);
  auto one = get(1);
  EXPECT_EQ(zero->grant.status, ReadStatus::kSegment);
  EXPECT_EQ(one->grant.status, ReadStatus::kSegment);
  EXPECT_EQ(get(2)->grant.status, ReadStatus::kNoSegment);
  write(0, "x");
  EXPECT_EQ(get(2)->grant.status, ReadStatus::kNoSegment);
  EXPECT_EQ(get(2)->grant.latest, 1);
}

TEST_F(Store, ReadsAPreconnectedSegmentAheadOfNext) {
  write(0, "x");
  auto preconnected = post(3);
  EXPECT_EQ(get(3)->grant.status, ReadStatus::kSegment);
}

TEST_F(Store, TellsReadersOfEachChunkAndOfTheEnd) {
  auto writing = post(0);
  auto reader = get(0);
  writing->send("a");
  EXPECT_EQ(reader->changes, 1);
  writing->send("b");
  EXPECT_EQ(reader->changes, 2);
  writing->finish();
  EXPECT_EQ(reader->changes, 3);
  EXPECT_EQ(reader->text(), "ab");
}

TEST_F(Store, AReaderMayLeaveAndAnotherComeWhileTheyAreTold) {
  struct Leaver final : ChangeListener {
    void on_change() override { gone.reset(); }
    std::unique_ptr<Get> gone;
  } leaver;
  auto writing = post(0);
  const auto segment = store_->open_read("cam", {Kind::kNumber, 0}).segment;
  segment->listeners().add(leaver);
  leaver.gone = get(0);
  auto last = get(0);
  writing->send("a");
  EXPECT_EQ(leaver.gone, nullptr);
  EXPECT_EQ(last->changes, 1);
}

}  // namespace
}  // namespace trickle
