// Publisher against a scripted server: one test for each rule that needs a network to show.
#include "trickle/publisher.h"

#include <gtest/gtest.h>

#include "integration/fake_server.h"

namespace trickle {
namespace {

using testing::FakeExchange;
using testing::FakeServer;

// A server that keeps what it gets; `special` may take a request over by returning true.
class Recorder {
 public:
  explicit Recorder(std::function<bool(FakeExchange&)> special = nullptr)
      : special_(std::move(special)), server_([this](FakeExchange& exchange) { serve(exchange); }) {}

  [[nodiscard]] FakeServer& server() { return server_; }
  [[nodiscard]] std::string segment(int number) {
    const std::lock_guard lock(mutex_);
    return segments_[number];
  }
  std::unique_ptr<Publisher> open(PublisherOptions options = {}) {
    options.url = server_.url();
    auto publisher = Publisher::open(std::move(options));
    EXPECT_TRUE(publisher);
    return *std::move(publisher);
  }

 private:
  void serve(FakeExchange& exchange) {
    if (special_ && special_(exchange)) return;
    const auto& request = exchange.request();
    if (request.method == "POST" && request.target.starts_with("/c/")) {
      const int number = std::stoi(request.target.substr(3));
      std::string body = exchange.read_body();
      if (exchange.gone()) return;
      const std::lock_guard lock(mutex_);
      segments_[number] += body;
    }
    exchange.answer(200, request.target == "/c/next" ? "Lp-Trickle-Latest: 0\r\n" : "");
  }

  std::mutex mutex_;
  std::map<int, std::string> segments_;
  std::function<bool(FakeExchange&)> special_;
  FakeServer server_;  // Last: its threads use what is above.
};

bool is_post(const FakeExchange& exchange, int number) {
  return exchange.request().method == "POST" && exchange.request().target == "/c/" + std::to_string(number);
}

TEST(PublisherOnANetwork, SendsSegmentsInOrderAndDeletesTheChannelLast) {
  Recorder recorder;
  auto publisher = recorder.open();
  for (const char* message : {"zero", "one", "two"}) ASSERT_TRUE(publisher->publish(message));
  ASSERT_TRUE(publisher->finish());
  EXPECT_EQ(recorder.segment(0), "zero");
  EXPECT_EQ(recorder.segment(1), "one");
  EXPECT_EQ(recorder.segment(2), "two");
  EXPECT_EQ(publisher->totals().acknowledged_bytes, 10U);
  const auto requests = recorder.server().requests();
  ASSERT_GE(requests.size(), 6U);
  EXPECT_EQ(requests[0], "POST /c");
  EXPECT_EQ(requests[1], "GET /c/next");
  EXPECT_EQ(requests.back(), "DELETE /c");
}

TEST(PublisherOnANetwork, IsConnectedBeforeTheFirstByteAndOneSegmentAhead) {
  Recorder recorder;
  auto publisher = recorder.open();
  EXPECT_TRUE(recorder.server().wait_for("POST /c/0"));
  ASSERT_TRUE(publisher->begin_segment());
  const std::byte byte{1};
  ASSERT_TRUE(publisher->write(std::span(&byte, 1)));
  EXPECT_TRUE(recorder.server().wait_for("POST /c/1"));
  ASSERT_TRUE(publisher->finish());
}

TEST(PublisherOnANetwork, SaysResetOnTheFirstPostOnlyAndNeverExpect) {
  std::mutex mutex;
  std::map<std::string, bool> reset;
  Recorder recorder([&](FakeExchange& exchange) {
    const auto& request = exchange.request();
    EXPECT_FALSE(request.headers.contains("expect"));
    const std::lock_guard lock(mutex);
    if (request.method == "POST" && request.target != "/c")
      reset[request.target] = request.headers.contains("lp-trickle-reset");
    return false;
  });
  auto publisher = recorder.open();
  ASSERT_TRUE(publisher->publish("a"));
  ASSERT_TRUE(publisher->publish("b"));
  ASSERT_TRUE(publisher->finish());
  const std::lock_guard lock(mutex);
  EXPECT_TRUE(reset["/c/0"]);
  EXPECT_FALSE(reset["/c/1"]);
}

TEST(PublisherOnANetwork, BytesArriveWhileTheirSegmentIsStillOpen) {
  std::atomic<bool> arrived{false};
  Recorder recorder([&](FakeExchange& exchange) {
    if (!is_post(exchange, 0)) return false;
    EXPECT_EQ(exchange.read_chunk(), "first");
    arrived = true;
    arrived.notify_all();
    EXPECT_EQ(exchange.read_body(), "second");
    exchange.answer(200);
    return true;
  });
  auto publisher = recorder.open();
  ASSERT_TRUE(publisher->begin_segment());
  ASSERT_TRUE(publisher->write(std::as_bytes(std::span("first", 5))));
  arrived.wait(false);
  ASSERT_TRUE(publisher->write(std::as_bytes(std::span("second", 6))));
  ASSERT_TRUE(publisher->finish());
}

TEST(PublisherOnANetwork, APreconnectThatTheServerDropsIsConnectedAgainAndNothingIsLost) {
  std::atomic<int> tries{0};
  Recorder recorder([&](FakeExchange& exchange) {
    if (!is_post(exchange, 0) || tries++ > 0) return false;
    exchange.close();
    return true;
  });
  auto publisher = recorder.open();
  EXPECT_TRUE(recorder.server().wait_for("POST /c/0", 2));
  ASSERT_TRUE(publisher->publish("whole"));
  ASSERT_TRUE(publisher->finish());
  EXPECT_EQ(recorder.segment(0), "whole");
}

TEST(PublisherOnANetwork, ASegmentThatBrokeAfterItsFirstByteIsDeletedAndCountedToTheByte) {
  Recorder recorder([&](FakeExchange& exchange) {
    if (!is_post(exchange, 0)) return false;
    EXPECT_TRUE(exchange.read_chunk());
    exchange.reset();
    return true;
  });
  auto publisher = recorder.open();
  ASSERT_TRUE(publisher->begin_segment());
  ASSERT_TRUE(publisher->write(std::as_bytes(std::span("broken", 6))));
  EXPECT_TRUE(recorder.server().wait_for("DELETE /c/0"));
  ASSERT_TRUE(publisher->publish("next"));
  const auto finished = publisher->finish();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().kind(), ErrorKind::kIo);
  EXPECT_EQ(publisher->totals().lost_bytes, 6U);
  EXPECT_EQ(publisher->totals().acknowledged_bytes, 4U);
  EXPECT_EQ(recorder.segment(1), "next");
}

TEST(PublisherOnANetwork, AnEarly404WhileTheUploadWaitsEndsIt) {
  Recorder recorder([](FakeExchange& exchange) {
    if (!is_post(exchange, 0)) return false;
    exchange.answer(404, "Connection: close\r\n", "Stream not found\n");
    exchange.hang();
    return true;
  });
  auto publisher = recorder.open();
  pollfd failed{publisher->failure_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&failed, 1, 20'000), 1);
  ASSERT_TRUE(publisher->failure());
  EXPECT_EQ(publisher->failure()->kind(), ErrorKind::kNotFound);
  EXPECT_FALSE(publisher->publish("late"));
}

TEST(PublisherOnANetwork, InterimAnswersAreNoAnswers) {
  Recorder recorder([](FakeExchange& exchange) {
    if (is_post(exchange, 0)) {
      exchange.send("HTTP/1.1 100 Continue\r\n\r\n");
      exchange.send("HTTP/1.1 100 Continue\r\n\r\n");
    }
    return false;
  });
  auto publisher = recorder.open();
  EXPECT_TRUE(recorder.server().wait_for("POST /c/0"));
  ASSERT_TRUE(publisher->publish("text"));
  ASSERT_TRUE(publisher->finish());
  EXPECT_EQ(recorder.segment(0), "text");
}

TEST(PublisherOnANetwork, RefusalsAreNotRetried) {
  Recorder recorder([](FakeExchange& exchange) {
    exchange.answer(exchange.request().target == "/c" ? 403 : 200);
    return true;
  });
  auto publisher = recorder.open();
  pollfd failed{publisher->failure_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&failed, 1, 20'000), 1);
  EXPECT_EQ(publisher->failure()->kind(), ErrorKind::kRefused);
  EXPECT_EQ(recorder.server().requests().size(), 1U);
}

TEST(PublisherOnANetwork, UnderDropADeadServerNeverHoldsTheWriterUpAndItsMemoryIsBounded) {
  Recorder recorder([](FakeExchange& exchange) {
    if (exchange.request().method != "POST" || exchange.request().target == "/c") return false;
    exchange.hang();
    return true;
  });
  PublisherOptions options{.on_lag = OnLag::kDrop, .buffer_bytes = 100'000};
  auto publisher = recorder.open(options);
  const std::string message(10'000, 'x');
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(publisher->publish(message));
  const PublisherTotals totals = publisher->totals();
  EXPECT_EQ(totals.accepted_bytes, 10'000'000U);
  EXPECT_GE(totals.lost_bytes, 9'000'000U);
}

TEST(PublisherOnANetwork, UsesItsConnectionsAgain) {
  Recorder recorder;
  auto publisher = recorder.open();
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(publisher->publish("message"));
  ASSERT_TRUE(publisher->finish());
  EXPECT_EQ(publisher->totals().acknowledged_segments, 40U);
  EXPECT_LE(recorder.server().connections(), 8);
}

}  // namespace
}  // namespace trickle
