// The rules of the protocol, on a fake clock.
#include "trickle/channel_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace trickle {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Kind = ReadSelector::Kind;

std::span<const char> bytes(std::string_view text) { return {text.data(), text.size()}; }

// A publisher's POST: remembers how it ended.
struct Post final : WriterListener {
  WriteGrant grant;
  std::vector<WriterEnd> ends;
  void on_writer_ended(WriterEnd why) override { ends.push_back(why); }
  AppendStatus send(std::string_view text) { return grant.writer->append(bytes(text)); }
  void finish() {
    grant.writer->finish();
    grant.writer.reset();
  }
};

// A subscriber's GET: follows its segment.
struct Get final : ChangeListener {
  explicit Get(ReadGrant read_grant) : grant(std::move(read_grant)) {
    if (grant.segment) grant.segment->listeners().add(*this);
  }
  void on_change() override { ++changes; }
  std::string text() const {
    std::string all;
    for (const auto& chunk : grant.segment->chunks()) all += chunk->data();
    return all;
  }
  SegmentState state() const { return grant.segment->state(); }
  ReadGrant grant;
  int changes = 0;
};

class Store : public ::testing::Test {
 protected:
  std::unique_ptr<Post> post(std::optional<SegmentNumber> number, bool reset = false,
                             bool may_create = true) {
    auto made = std::make_unique<Post>();
    WriteRequest request;
    request.channel = "cam";
    request.number = number;
    request.content_type = "video/mp2t";
    request.reset = reset;
    request.may_create = may_create;
    made->grant = store_->open_write(request, *made);
    return made;
  }
  void write(SegmentNumber number, std::string_view text) {
    auto writing = post(number);
    ASSERT_EQ(writing->grant.status, WriteStatus::kGranted) << "segment " << number;
    if (!text.empty()) {
      ASSERT_EQ(writing->send(text), AppendStatus::kTaken);
    }
    writing->finish();
  }
  void write_many(SegmentNumber count) {
    for (SegmentNumber number = 0; number < count; ++number) write(number, "x");
  }
  std::unique_ptr<Get> get(SegmentNumber value, Kind kind = Kind::kNumber) {
    return std::make_unique<Get>(store_->open_read("cam", {kind, value}));
  }
  SegmentNumber next() { return store_->find("cam")->next; }
  void limit(StoreLimits limits) { store_ = make_memory_store(limits, clock_); }

  FakeClock clock_;
  std::unique_ptr<ChannelStore> store_ = make_memory_store({}, clock_);
};

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

// The end of channels.

TEST_F(Store, PitfallChannelCloseReleasesReadersAndPreconnects) {
  auto writing = post(0);
  writing->send("abc");
  auto preconnected = post(1);
  auto reader = get(0);
  auto waiting = get(1);
  EXPECT_TRUE(store_->remove("cam"));
  EXPECT_THAT(writing->ends, ElementsAre(WriterEnd::kChannelClosed));
  EXPECT_THAT(preconnected->ends, ElementsAre(WriterEnd::kChannelClosed));
  EXPECT_EQ(reader->state(), SegmentState::kClosed);
  EXPECT_EQ(reader->text(), "abc");
  EXPECT_EQ(waiting->state(), SegmentState::kClosed);
  EXPECT_TRUE(waiting->grant.channel->closed);
  EXPECT_FALSE(store_->remove("cam"));
}

TEST_F(Store, PitfallALatePreconnectDoesNotBringADeletedChannelBack) {
  write_many(3);
  store_->remove("cam");
  EXPECT_EQ(post(3)->grant.status, WriteStatus::kNoChannel);
  clock_.advance(59s);
  EXPECT_EQ(post(3)->grant.status, WriteStatus::kNoChannel);
  clock_.advance(1s);
  EXPECT_EQ(post(3)->grant.status, WriteStatus::kGranted);
}

TEST_F(Store, ATombstonedChannelStartsAnewByCreateZeroNextOrReset) {
  const std::vector<std::function<bool()>> ways{
      [&] { return store_->create("cam", {}, true) == CreateStatus::kCreated; },
      [&] { return post(0)->grant.status == WriteStatus::kGranted; },
      [&] { return post(std::nullopt)->grant.number == 0; },
      [&] { return post(7, true)->grant.status == WriteStatus::kGranted; },
  };
  for (const auto& way : ways) {
    write(0, "x");
    store_->remove("cam");
    EXPECT_TRUE(way());
    EXPECT_EQ(next(), 0);
    store_->remove("cam");
    clock_.advance(2min);
    store_->sweep();
  }
}

TEST_F(Store, PitfallBytesAfterDeleteAreDiscardedAndItsPostKnows) {
  auto writing = post(0);
  writing->send("abc");
  store_->remove("cam");
  auto fresh = post(0);
  EXPECT_EQ(writing->send("late"), AppendStatus::kDiscarded);
  EXPECT_TRUE(writing->grant.writer->channel_closed());
  writing->finish();
  EXPECT_EQ(get(0)->text(), "");
  EXPECT_EQ(next(), 0);
}

TEST_F(Store, SweepsWhatNothingWasWrittenTo) {
  write(0, "x");
  store_->create("_internal", {}, true);
  store_->create("kept", {.permanent = true}, true);
  clock_.advance(5min);
  store_->sweep();
  EXPECT_NE(store_->find("cam"), nullptr);
  clock_.advance(1s);
  store_->sweep();
  EXPECT_EQ(store_->find("cam"), nullptr);
  EXPECT_NE(store_->find("_internal"), nullptr);
  EXPECT_NE(store_->find("kept"), nullptr);
}

TEST_F(Store, PitfallAChannelIsNotSweptInTheMiddleOfALongSegment) {
  auto writing = post(0);
  for (int minute = 0; minute < 20; ++minute) {
    ASSERT_EQ(writing->send("x"), AppendStatus::kTaken);
    clock_.advance(1min);
    store_->sweep();
  }
  EXPECT_TRUE(writing->ends.empty());
}

TEST_F(Store, ShutdownReleasesWhoWaitsAndLetsOpenSegmentsEnd) {
  auto writing = post(0);
  writing->send("abc");
  auto preconnected = post(1);
  auto waiting = get(1);
  auto reader = get(0);
  store_->begin_shutdown();
  EXPECT_THAT(preconnected->ends, ElementsAre(WriterEnd::kSegmentClosed));
  EXPECT_EQ(waiting->state(), SegmentState::kClosed);
  EXPECT_TRUE(waiting->grant.channel->closed);
  EXPECT_TRUE(store_->writing());
  EXPECT_EQ(post(5)->grant.status, WriteStatus::kShuttingDown);
  EXPECT_EQ(get(1, Kind::kFromEnd)->grant.status, ReadStatus::kNoSegment);
  writing->send("def");
  writing->finish();
  EXPECT_FALSE(store_->writing());
  EXPECT_EQ(reader->text(), "abcdef");
  store_->end_shutdown();
  EXPECT_EQ(store_->find("cam"), nullptr);
}

// Caps.

TEST_F(Store, ASegmentOverItsCapIsClosedWithTheBytesItHas) {
  limit({.max_segment_bytes = 10});
  auto writing = post(0);
  EXPECT_EQ(writing->send("0123456789"), AppendStatus::kTaken);
  EXPECT_EQ(writing->send("x"), AppendStatus::kSegmentFull);
  EXPECT_EQ(get(0)->text(), "0123456789");
  EXPECT_EQ(get(0)->state(), SegmentState::kClosed);
  EXPECT_EQ(writing->send("x"), AppendStatus::kDiscarded);
}

TEST_F(Store, AChannelOverItsCapLosesItsOldestSegmentsAndThenRefuses) {
  limit({.max_channel_bytes = 100'000});
  write(0, std::string(40'000, 'a'));
  write(1, std::string(40'000, 'b'));
  auto writing = post(2);
  EXPECT_EQ(writing->send(std::string(40'000, 'c')), AppendStatus::kTaken);
  EXPECT_EQ(get(0)->grant.status, ReadStatus::kNoSegment);
  EXPECT_EQ(get(1)->grant.status, ReadStatus::kSegment);
  EXPECT_EQ(writing->send(std::string(50'000, 'c')), AppendStatus::kTaken);
  EXPECT_EQ(writing->send(std::string(50'000, 'c')), AppendStatus::kSegmentFull);
}

TEST_F(Store, OutOfMemoryTheLargestChannelGivesFirst) {
  limit({.memory_bytes = 100'000});
  write(0, std::string(60'000, 'a'));
  Post other;
  WriteRequest request;
  request.channel = "other";
  request.may_create = true;
  other.grant = store_->open_write(request, other);
  EXPECT_EQ(other.send(std::string(50'000, 'b')), AppendStatus::kTaken);
  EXPECT_EQ(get(0)->grant.status, ReadStatus::kNoSegment);
  EXPECT_EQ(other.send(std::string(60'000, 'b')), AppendStatus::kOutOfMemory);
  EXPECT_LE(store_->totals().footprint_bytes, 100'000u);
}

// What is told.

TEST_F(Store, TellsTheObserverOfEachChannelMadeAndEnded) {
  std::vector<std::string> changes;
  store_->set_observer(
      [&](const std::string& channel, bool added) { changes.push_back((added ? "+" : "-") + channel); });
  store_->create("a", {}, true);
  store_->create("a", {}, true);
  write_many(3);
  post(0, true);
  store_->remove("a");
  EXPECT_THAT(changes, ElementsAre("+a", "+cam", "-cam", "+cam", "-a"));
}

TEST_F(Store, TellsHowMuchReadersAreSentInASecond) {
  store_->create("cam", {}, true);
  EXPECT_EQ(store_->report().at(0).bytes_out_rate, 0);
  const auto sent = store_->find("cam")->bytes_out;
  for (int i = 0; i < 20; ++i) {
    *sent += 3000;
    clock_.advance(1s);
    EXPECT_EQ(store_->report().at(0).bytes_out, 3000u * (static_cast<unsigned>(i) + 1));
  }
  EXPECT_NEAR(store_->report().at(0).bytes_out_rate, 3000, 400);
  clock_.advance(60s);
  EXPECT_LT(store_->report().at(0).bytes_out_rate, 1);
}

TEST_F(Store, AnEndlessReaderFollowsOverGaps) {
  write(0, "x");
  const auto first = get(0);
  EXPECT_EQ(store_->follow(first->grant.segment), nullptr);
  auto announced = post(1);
  const auto second = store_->follow(first->grant.segment);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->number(), 1);
  write(4, "x");
  EXPECT_EQ(store_->follow(second), nullptr) << "its writer may still begin";
  announced.reset();
  EXPECT_EQ(store_->follow(second)->number(), 4);
}

}  // namespace
}  // namespace trickle
