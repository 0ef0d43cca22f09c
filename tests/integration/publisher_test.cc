// Publisher against a scripted server that does as it should: one test for each rule that needs a network.
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "integration/jumping_clock.h"
#include "integration/recording_server.h"
#include "trickle/clients.h"
#include "trickle/publisher.h"

namespace trickle {
namespace {

using testing::FakeExchange;
using testing::is_post;
using testing::JumpingClock;
using testing::Recorder;
using testing::write;

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

TEST(PublisherOnANetwork, UsesItsConnectionsAgain) {
  Recorder recorder;
  auto publisher = recorder.open();
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(publisher->publish("message"));
  ASSERT_TRUE(publisher->finish());
  EXPECT_EQ(publisher->totals().acknowledged_segments, 40U);
  EXPECT_LE(recorder.server().connections(), 8);
}

TEST(PublisherOnANetwork, ASegmentThatStaysOpenForHoursIsNotGivenUp) {
  JumpingClock clock;
  Recorder recorder;
  auto publisher = *open_publisher({.url = recorder.server().url()}, clock);
  for (const char* piece : {"a", "b", "c"}) {
    ASSERT_TRUE(write(*publisher, piece));
    EXPECT_TRUE(recorder.server().wait_for("POST /c/1"));        // The first piece is on its way.
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // Lets this one go out, too.
    clock.jump(std::chrono::hours(3));
  }
  ASSERT_TRUE(publisher->finish());
  EXPECT_EQ(recorder.segment(0), "abc");
}

TEST(PublisherOnANetwork, PitfallNoNumberIsUsedTwiceHoweverQuickTheSegments) {
  Recorder recorder;
  auto publisher = recorder.open();
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(publisher->publish("segment"));
  ASSERT_TRUE(publisher->finish());
  for (int i = 0; i < 300; ++i) EXPECT_EQ(recorder.server().count("POST /c/" + std::to_string(i)), 1U) << i;
}

TEST(PublisherOnANetwork, PitfallTenMinutesOfSegmentsTakeThreeSocketsAndLeaveNone) {
  Recorder recorder;
  {
    auto publisher = recorder.open();
    for (int i = 0; i < 300; ++i) {
      ASSERT_TRUE(write(*publisher, "x"));
      // Each begins when the next one is connected, as in a stream that takes its time.
      ASSERT_TRUE(recorder.server().wait_for("POST /c/" + std::to_string(i + 1)));
      ASSERT_TRUE(publisher->end_segment());
      while (!publisher->failure() && publisher->totals().acknowledged_segments <= static_cast<uint64_t>(i)) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
    ASSERT_TRUE(publisher->finish());
  }
  EXPECT_LE(recorder.server().connections(), 3);
  EXPECT_EQ(recorder.server().wait_until_all_closed(), 0);
}

TEST(PublisherOnANetwork, TheChannelIsDeletedBeforeThePreconnectIsClosed) {
  std::atomic<bool> preconnect_closed{false};
  Recorder recorder([&](FakeExchange& exchange) {
    if (is_post(exchange, 1)) {
      exchange.hang();
      preconnect_closed = true;
      return true;
    }
    EXPECT_FALSE(exchange.request().method == "DELETE" && preconnect_closed);
    return false;
  });
  auto publisher = recorder.open();
  ASSERT_TRUE(write(*publisher, "last"));
  EXPECT_TRUE(recorder.server().wait_for("POST /c/1"));
  ASSERT_TRUE(publisher->finish());
  EXPECT_EQ(recorder.server().count("DELETE /c"), 1U);
}

TEST(PublisherOnANetwork, AProxyIsUsedAsCurlDoes) {
  testing::FakeServer proxy([](FakeExchange& exchange) {
    const std::string body = exchange.read_body();
    if (exchange.request().target == "http://trickle.invalid/c/0") {
      EXPECT_EQ(body, "by way of another");
    }
    if (!exchange.gone()) exchange.answer(200);
  });
  ::setenv("http_proxy", proxy.url("").c_str(), 1);
  auto publisher = Publisher::open({.url = "http://trickle.invalid/c", .linger = {}});
  ASSERT_TRUE(publisher);
  ASSERT_TRUE((*publisher)->publish("by way of another"));
  EXPECT_TRUE((*publisher)->finish());
  ::unsetenv("http_proxy");
  EXPECT_EQ(proxy.count("POST http://trickle.invalid/c/0"), 1U);
  EXPECT_EQ(proxy.count("DELETE http://trickle.invalid/c"), 1U);
}

}  // namespace
}  // namespace trickle
