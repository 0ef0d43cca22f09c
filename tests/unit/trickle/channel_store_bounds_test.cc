// What the store may keep: every way of making it keep more than its caps, and each must fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trickle/channel_store.h"

namespace trickle {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string name_of(int index) { return std::string("c").append(std::to_string(index)); }

struct Post final : WriterListener {
  WriteGrant grant;
  void on_writer_ended(WriterEnd) override {}
  AppendStatus send(size_t bytes) {
    const std::string text(bytes, 'x');
    return grant.writer->append({text.data(), text.size()});
  }
};

struct Get final : ChangeListener {
  Get(ChannelStore& channel_store, const std::string& channel, SegmentNumber number)
      : store(channel_store),
        segment(store.open_read(channel, {ReadSelector::Kind::kNumber, number}).segment) {
    if (segment) segment->listeners().add(*this);
  }
  ~Get() {
    unlink();
    if (segment) store.release(segment);
  }
  void on_change() override { ++changes; }
  ChannelStore& store;
  std::shared_ptr<Segment> segment;
  int changes = 0;
};

class StoreBounds : public ::testing::Test {
 protected:
  void limit(StoreLimits limits) { store_ = make_memory_store(limits, clock_); }
  std::unique_ptr<Post> post(const std::string& channel, std::optional<SegmentNumber> number) {
    auto made = std::make_unique<Post>();
    WriteRequest request;
    request.channel = channel;
    request.number = number;
    request.may_create = true;
    made->grant = store_->open_write(request, *made);
    return made;
  }
  void write(const std::string& channel, SegmentNumber number, size_t bytes) {
    const auto writing = post(channel, number);
    ASSERT_EQ(writing->grant.status, WriteStatus::kGranted) << channel << " " << number;
    if (bytes > 0) {
      ASSERT_EQ(writing->send(bytes), AppendStatus::kTaken);
    }
    writing->grant.writer->finish();
  }
  uint64_t kept() { return store_->totals().footprint_bytes; }

  FakeClock clock_;
  std::unique_ptr<ChannelStore> store_ = make_memory_store({}, clock_);
};

TEST_F(StoreBounds, EmptyChannelsCountAndAreRefusedAtTheMemoryCap) {
  limit({.memory_bytes = 100'000});
  CreateStatus status = CreateStatus::kCreated;
  int made = 0;
  for (; status == CreateStatus::kCreated && made < 1000; ++made) {
    status = store_->create(name_of(made), {.content_type = "a/b"}, true);
  }
  EXPECT_EQ(status, CreateStatus::kOutOfMemory);
  EXPECT_EQ(post("one-more", 0)->grant.status, WriteStatus::kOutOfMemory);
  EXPECT_LE(kept(), 100'000u);
  store_->remove("c0");
  store_->remove("c1");
  EXPECT_EQ(post("one-more", 0)->grant.status, WriteStatus::kGranted);
}

TEST_F(StoreBounds, ALongContentTypeCounts) {
  limit({.memory_bytes = 50'000});
  const std::string long_type(16'000, 't');
  store_->create("a", {.content_type = long_type}, true);
  store_->create("b", {.content_type = long_type}, true);
  EXPECT_EQ(store_->create("c", {.content_type = long_type}, true), CreateStatus::kOutOfMemory);
  EXPECT_LE(kept(), 50'000u);
}

TEST_F(StoreBounds, EmptySegmentsCountAndGoOldestFirst) {
  limit({.window = 100'000, .memory_bytes = 100'000});
  for (SegmentNumber number = 0; number < 2000; ++number) write("cam", number, 0);
  EXPECT_LE(kept(), 100'000u);
  EXPECT_EQ(store_->find("cam")->next, 2000);
  EXPECT_GT(store_->totals().segments_evicted, 1000u);
  EXPECT_NE(Get(*store_, "cam", 1999).segment, nullptr);
}

TEST_F(StoreBounds, PreconnectsOfManyNumbersAreRefusedAtTheMemoryCapAndLeaveNothing) {
  limit({.memory_bytes = 100'000});
  std::vector<std::unique_ptr<Post>> preconnects;
  do {
    preconnects.push_back(post("cam", static_cast<SegmentNumber>(preconnects.size())));
  } while (preconnects.back()->grant.status == WriteStatus::kGranted && preconnects.size() < 2000);
  EXPECT_EQ(preconnects.back()->grant.status, WriteStatus::kOutOfMemory);
  EXPECT_LE(kept(), 100'000u);
  preconnects.clear();
  EXPECT_LE(kept(), 2'000u);
  EXPECT_THAT(store_->report().at(0).segments, IsEmpty());
}

TEST_F(StoreBounds, SmallChunksCountWithWhatTheyCost) {
  limit({.max_segment_bytes = 1 << 20, .max_channel_bytes = 100'000});
  const auto writing = post("cam", 0);
  size_t taken = 0;
  while (writing->send(1) == AppendStatus::kTaken) ++taken;
  EXPECT_LT(taken, 1000u) << "a chunk of one byte costs some hundred";
  EXPECT_EQ(Get(*store_, "cam", 0).segment->size_bytes(), taken);
}

TEST_F(StoreBounds, TheOldestClosedSegmentsOfTheLargestChannelGoFirst) {
  limit({.memory_bytes = 300'000});
  write("small", 0, 50'000);
  write("large", 0, 60'000);
  write("large", 1, 60'000);
  write("large", 2, 60'000);
  const auto newcomer = post("new", 0);
  EXPECT_EQ(newcomer->send(90'000), AppendStatus::kTaken);
  EXPECT_EQ(Get(*store_, "large", 0).segment, nullptr);
  EXPECT_NE(Get(*store_, "large", 1).segment, nullptr);
  EXPECT_NE(Get(*store_, "small", 0).segment, nullptr);
  EXPECT_EQ(newcomer->send(60'000), AppendStatus::kTaken);
  EXPECT_EQ(Get(*store_, "large", 1).segment, nullptr);
  EXPECT_NE(Get(*store_, "small", 0).segment, nullptr);
}

TEST_F(StoreBounds, OpenSegmentsOfOthersAreNeverTakenForRoom) {
  limit({.memory_bytes = 300'000});
  const auto open = post("other", 0);
  open->send(200'000);
  const auto writing = post("cam", 0);
  EXPECT_EQ(writing->send(150'000), AppendStatus::kOutOfMemory);
  EXPECT_EQ(Get(*store_, "other", 0).segment->size_bytes(), 200'000u);
  EXPECT_EQ(open->send(1000), AppendStatus::kTaken);
}

TEST_F(StoreBounds, WhatStalledReadersHoldOfDeletedChannelsCountsAndGoesFirst) {
  limit({.memory_bytes = 1'000'000});
  std::vector<std::unique_ptr<Get>> stalled;
  for (int round = 0; round < 50; ++round) {
    write("cam", 0, 100'000);
    stalled.push_back(std::make_unique<Get>(*store_, "cam", 0));
    store_->remove("cam");
    ASSERT_LE(kept(), 1'000'000u);
  }
  EXPECT_EQ(stalled.back()->segment->state(), SegmentState::kClosed) << "it still gets its bytes";
  size_t cut_off = 0;
  for (const auto& reader : stalled) {
    if (reader->segment->state() != SegmentState::kEvicted) continue;
    ++cut_off;
    EXPECT_THAT(reader->segment->chunks(), IsEmpty());
    EXPECT_GE(reader->changes, 1);
  }
  EXPECT_GE(cut_off, 40u);
  stalled.clear();
  EXPECT_EQ(kept(), 0u);
}

TEST_F(StoreBounds, AWriterThatLostItsSegmentHoldsNoneOfItsBytes) {
  const auto writing = post("cam", 0);
  writing->send(100'000);
  const std::weak_ptr<Segment> segment = Get(*store_, "cam", 0).segment;
  store_->remove("cam");
  EXPECT_TRUE(segment.expired());
  EXPECT_EQ(writing->grant.writer->number(), 0);
  EXPECT_TRUE(writing->grant.writer->channel_closed());
}

TEST_F(StoreBounds, TombstonesAreForgottenOldestFirstBeyondTenThousand) {
  for (int i = 0; i < 10'001; ++i) {
    const std::string name = name_of(i);
    store_->create(name, {}, true);
    store_->remove(name);
  }
  EXPECT_EQ(post("c1", 5)->grant.status, WriteStatus::kNoChannel);
  EXPECT_EQ(post("c0", 5)->grant.status, WriteStatus::kGranted);
  EXPECT_EQ(post("c10000", 5)->grant.status, WriteStatus::kNoChannel);
}

TEST_F(StoreBounds, ANameDeletedTwiceIsRememberedFromTheSecondTime) {
  write("cam", 0, 1);
  store_->remove("cam");
  clock_.advance(40s);
  write("cam", 0, 1);
  store_->remove("cam");
  clock_.advance(30s);
  store_->sweep();
  EXPECT_EQ(post("cam", 5)->grant.status, WriteStatus::kNoChannel);
  clock_.advance(30s);
  EXPECT_EQ(post("cam", 5)->grant.status, WriteStatus::kGranted);
}

TEST_F(StoreBounds, TheLargestNumberIsTheLastOne) {
  write("cam", INT64_MAX - 1, 1);
  EXPECT_EQ(store_->find("cam")->next, INT64_MAX);
  EXPECT_EQ(post("cam", std::nullopt)->grant.status, WriteStatus::kNoNumberLeft);
  EXPECT_NE(Get(*store_, "cam", INT64_MAX - 1).segment, nullptr);
}

TEST_F(StoreBounds, AnUncappedChannelIsHeldByItsWindowAlone) {
  limit({.memory_bytes = 20'000});
  store_->create("feed", {.window = 3, .permanent = true, .uncapped = true}, true);
  const auto open = post("cam", 0);
  while (open->send(1000) == AppendStatus::kTaken) {
  }
  for (SegmentNumber number = 0; number < 10; ++number) {
    const auto change = post("feed", number);
    ASSERT_EQ(change->grant.status, WriteStatus::kGranted);
    EXPECT_EQ(change->send(100), AppendStatus::kTaken);
    change->grant.writer->finish();
  }
  EXPECT_EQ(store_->report().at(1).segments.size(), 3u);
}

}  // namespace
}  // namespace trickle
