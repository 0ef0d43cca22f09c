// A channel store on a fake clock, and clients of it that remember what they were told.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "trickle/channel_store.h"

namespace trickle::testing {

using Kind = ReadSelector::Kind;

inline std::span<const char> bytes(std::string_view text) { return {text.data(), text.size()}; }

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

class StoreTest : public ::testing::Test {
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

}  // namespace trickle::testing
