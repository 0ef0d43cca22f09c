// A relay on a free port, on a thread of its own, that remembers everything a test sends it.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <string>
#include <vector>

#include "integration/server_thread.h"
#include "media/splitter.h"
#include "trickle/relay_server.h"
#include "trickle/trickle.h"

namespace trickle::testing {

class TestRelay {
 public:
  [[nodiscard]] std::string url(const std::string& channel) const { return url_ + channel; }

  /// Each document a segment; the channel stays.
  void publish_documents(const std::string& channel, const std::vector<std::string>& documents) const {
    auto publisher =
        Publisher::open({.url = url(channel), .content_type = "application/json", .keep_channel = true});
    ASSERT_TRUE(publisher);
    for (const std::string& document : documents) ASSERT_TRUE((*publisher)->publish(document));
    ASSERT_TRUE((*publisher)->finish());
  }

  /// A transport stream cut at its keyframes; the channel ends unless it is kept.
  void publish_clip(const std::string& channel, const std::string& bytes, bool keep = false) const {
    auto opened = Publisher::open({.url = url(channel), .keep_channel = keep});
    ASSERT_TRUE(opened);
    struct Sink final : SegmentSink {
      explicit Sink(Publisher& p) : publisher(p) {}
      Result<void> begin_segment() override { return publisher.begin_segment(); }
      Result<void> write(std::span<const uint8_t> data) override {
        return publisher.write(std::as_bytes(data));
      }
      Publisher& publisher;
    } sink(**opened);
    const auto splitter =
        make_splitter({.kind = SplitMode::Kind::kKeyframe, .bytes = 0, .duration = {}},
                      {.min_segment = std::chrono::milliseconds(0), .max_segment = {}}, system_clock());
    ASSERT_TRUE(splitter->add({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, sink));
    ASSERT_TRUE(splitter->finish(sink));
    ASSERT_TRUE((*opened)->finish());
  }

  /// Reads the channel from its first segment, once there is one, to its end.
  [[nodiscard]] std::future<std::vector<std::string>> record(const std::string& channel) const {
    return std::async(std::launch::async, [url = url(channel)] {
      std::vector<std::string> segments;
      auto subscriber = Subscriber::open({.url = url,
                                          .start = "oldest",
                                          .on_gap = OnGap::kOldest,
                                          .wait_for_channel = std::chrono::seconds(60)});
      EXPECT_TRUE(subscriber);
      while (true) {
        auto segment = (*subscriber)->read_segment(size_t{1} << 30U);
        EXPECT_TRUE(segment) << segment.error().to_string();
        if (!segment || !*segment) return segments;
        EXPECT_TRUE((*segment)->complete);
        segments.push_back(std::move((*segment)->bytes));
      }
    });
  }

 private:
  static RelayOptions options() {
    RelayOptions options;
    options.window = 1000;
    return options;
  }

  ServerThread<RelayServer> relay_{options(), http::ServerOptions{}};
  std::string url_ = "http://127.0.0.1:" + std::to_string(relay_.port()) + "/";
};

inline std::string joined(const std::vector<std::string>& segments) {
  std::string bytes;
  for (const std::string& segment : segments) bytes += segment;
  return bytes;
}

}  // namespace trickle::testing
