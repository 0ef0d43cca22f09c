// Views of one store: what happens between threads, one step after the other on a single one.
#include "trickle/shared_store.h"

#include <gtest/gtest.h>

#include "unit/trickle/store_fixture.h"

namespace trickle {
namespace {

using testing::Get;
using testing::Post;

class SharedStoreTest : public ::testing::Test {
 protected:
  static WriteRequest request(SegmentNumber number, bool reset = false) {
    WriteRequest request;
    request.channel = "cam";
    request.number = number;
    request.reset = reset;
    request.may_create = true;
    return request;
  }

  FakeClock clock_;
  std::shared_ptr<SharedStore> shared_ = share_store(make_memory_store({}, clock_));
  std::function<void()> on_wake_;  // Of `other_`.
  int wakes_ = 0;                  // Of `view_`.
  StoreView view_{shared_, [this] { ++wakes_; }};
  StoreView other_{shared_, [this] {
                     if (on_wake_) std::exchange(on_wake_, nullptr)();
                   }};
};

TEST_F(SharedStoreTest, AReaderIsToldOfWhatAnotherThreadWroteOnceItsThreadHasCaughtUp) {
  Post post;
  post.grant = other_.open_write(request(0), post);
  Get get(view_.open_read("cam", {ReadSelector::Kind::kNumber, 0}));
  ASSERT_EQ(post.send("one"), AppendStatus::kTaken);
  ASSERT_EQ(post.send("two"), AppendStatus::kTaken);
  EXPECT_EQ(wakes_, 1) << "once for any number of changes";
  EXPECT_EQ(get.changes, 0);
  EXPECT_EQ(get.text(), "");
  view_.catch_up();
  EXPECT_EQ(get.changes, 1);
  EXPECT_EQ(get.text(), "onetwo");
  EXPECT_EQ(other_.report().at(0).segments.at(0).readers, 1u);
  get.unlink();
  view_.release(get.grant.segment);
  EXPECT_EQ(other_.report().at(0).segments.at(0).readers, 0u);
}

TEST_F(SharedStoreTest, AChannelThatHasEndedIsForgottenByEveryView) {
  {
    Post post;
    post.grant = other_.open_write(request(0), post);
    ASSERT_EQ(post.send("one"), AppendStatus::kTaken);
  }
  const std::weak_ptr<const ChannelHead> here = view_.find("cam");
  const std::weak_ptr<const ChannelHead> there = other_.find("cam");
  ASSERT_FALSE(here.expired());
  ASSERT_FALSE(there.expired());
  ASSERT_TRUE(view_.remove("cam"));
  other_.catch_up();
  EXPECT_TRUE(here.expired());
  EXPECT_TRUE(there.expired());
}

TEST_F(SharedStoreTest, AWriterThatIsCutOffWhileItIsGrantedIsToldAfterwards) {
  Post dead;
  dead.grant = other_.open_write(request(0), dead);
  ASSERT_EQ(dead.send("dead"), AppendStatus::kTaken);
  const Get reader(
      view_.open_read("cam", {ReadSelector::Kind::kNumber, 0}));  // So that this view is told, too.
  Post older;
  Post newer;
  on_wake_ = [&] { newer.grant = other_.open_write(request(1), newer); };
  older.grant = view_.open_write(request(1, true), older);
  ASSERT_TRUE(newer.grant.writer) << "in the middle of the call before";
  EXPECT_TRUE(older.ends.empty()) << "before it had its writer";
  ASSERT_GT(wakes_, 0);
  view_.catch_up();
  EXPECT_EQ(older.ends, std::vector{WriterEnd::kSuperseded});
  EXPECT_EQ(reader.state(), SegmentState::kClosed);
}

TEST_F(SharedStoreTest, AWriterThatLostItsSegmentElsewhereHearsOfItBeforeItHearsOfSuccess) {
  Post older;
  older.grant = view_.open_write(request(0), older);
  Post newer;
  newer.grant = other_.open_write(request(0), newer);
  EXPECT_TRUE(older.ends.empty());
  older.grant.writer->finish();
  EXPECT_EQ(older.ends, std::vector{WriterEnd::kSuperseded});
  view_.catch_up();
  EXPECT_EQ(older.ends.size(), 1u) << "and once";
  EXPECT_EQ(newer.send("new"), AppendStatus::kTaken);
}

}  // namespace
}  // namespace trickle
