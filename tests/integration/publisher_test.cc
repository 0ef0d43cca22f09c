// Publisher against a scripted server: one test for each rule that needs a network to show.
#include "trickle/publisher.h"

#include <gtest/gtest.h>

#include <thread>

#include "integration/fake_server.h"
#include "integration/jumping_clock.h"
#include "trickle/clients.h"

namespace trickle {
namespace {

using testing::FakeExchange;
using testing::FakeServer;
using testing::JumpingClock;

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

Result<void> write(Publisher& publisher, std::string_view text) {
  return publisher.write(std::as_bytes(std::span(text)));
}

TEST(PublisherOnANetwork, TheEndOfTheServersSideIsNoticedWhileTheUploadIsPaused) {
  Recorder recorder([](FakeExchange& exchange) {
    if (!is_post(exchange, 0)) return false;
    EXPECT_EQ(exchange.read_chunk(), "sent");
    exchange.close();
    return true;
  });
  auto publisher = recorder.open();
  ASSERT_TRUE(write(*publisher, "sent"));
  EXPECT_TRUE(recorder.server().wait_for("DELETE /c/0"));  // Nothing more was written.
  EXPECT_EQ(publisher->totals().lost_bytes, 4U);
}

TEST(PublisherOnANetwork, ASegmentWithoutAStatusTwentySecondsAfterItsEndIsLost) {
  JumpingClock clock;
  std::atomic<bool> received{false};
  Recorder recorder([&](FakeExchange& exchange) {
    if (!is_post(exchange, 0)) return false;
    exchange.read_body();
    received = true;
    received.notify_all();
    exchange.hang();
    return true;
  });
  auto publisher = *open_publisher({.url = recorder.server().url()}, clock);
  ASSERT_TRUE(publisher->publish("no answer"));
  received.wait(false);
  clock.jump(std::chrono::seconds(21));
  ASSERT_TRUE(publisher->publish("next"));
  EXPECT_TRUE(recorder.server().wait_for("DELETE /c/0"));
  EXPECT_FALSE(publisher->finish());
  EXPECT_EQ(publisher->totals().lost_bytes, 9U);
  EXPECT_EQ(recorder.segment(1), "next");
}

TEST(PublisherOnANetwork, PitfallAPostThatTakesNothingForTwentySecondsIsGivenUp) {
  JumpingClock clock;
  std::atomic<bool> release{false};
  Recorder recorder([&](FakeExchange& exchange) {
    if (!is_post(exchange, 0)) return false;
    release.wait(false);  // Reads nothing.
    exchange.close();
    return true;
  });
  auto publisher = *open_publisher({.url = recorder.server().url()}, clock);
  ASSERT_TRUE(write(*publisher, std::string(20'000'000, 'x')));  // More than sockets hold.
  EXPECT_TRUE(recorder.server().wait_for("POST /c/0"));
  // Each piece that goes out starts the time anew: until the sockets are full.
  for (int i = 0; i < 200 && recorder.server().count("DELETE /c/0") == 0; ++i) {
    clock.jump(std::chrono::seconds(21));
    ASSERT_TRUE(write(*publisher, "x"));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // Between tries.
  }
  EXPECT_TRUE(recorder.server().wait_for("DELETE /c/0"));
  release = true;
  release.notify_all();
  EXPECT_GE(publisher->totals().lost_bytes, 20'000'000U);
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

TEST(PublisherOnANetwork, ABurstOfServerErrorsBeforeAnyByteLosesNothing) {
  std::atomic<int> tries{0};
  Recorder recorder([&](FakeExchange& exchange) {
    if (exchange.request().method != "POST" || exchange.request().target == "/c" || tries++ >= 4)
      return false;
    exchange.answer(503, "Connection: close\r\n", "busy");
    exchange.close();
    return true;
  });
  auto publisher = recorder.open();
  EXPECT_TRUE(recorder.server().wait_for("POST /c/0", 5));
  ASSERT_TRUE(publisher->publish("whole"));
  ASSERT_TRUE(publisher->finish());
  EXPECT_EQ(recorder.segment(0), "whole");
}

TEST(PublisherOnANetwork, AHeadThatBreaksOffIsALostConnection) {
  std::atomic<int> channels{0};
  std::atomic<int> segments{0};
  Recorder recorder([&](FakeExchange& exchange) {
    if (exchange.request().method != "POST") return false;
    if ((exchange.request().target == "/c" ? channels++ : segments++) >= 2) return false;
    exchange.send("HTTP/1.1 200 OK\r\n");
    exchange.close();
    return true;
  });
  auto publisher = recorder.open();
  EXPECT_TRUE(recorder.server().wait_for("POST /c/0", 3));
  ASSERT_TRUE(publisher->publish("whole"));
  ASSERT_TRUE(publisher->finish());
  EXPECT_EQ(recorder.segment(0), "whole");
  EXPECT_EQ(channels, 3);
}

TEST(PublisherOnANetwork, StatusesThatEndItEndItWithTheirOwnError) {
  struct Case {
    int status;
    const char* headers;
    ErrorKind kind;
  };
  for (const Case& wanted :
       {Case{409, "", ErrorKind::kIo}, Case{302, "Location: /elsewhere\r\n", ErrorKind::kNetwork},
        Case{401, "", ErrorKind::kRefused}, Case{403, "", ErrorKind::kRefused},
        Case{200, "Lp-Trickle-Closed: terminated\r\n", ErrorKind::kNotFound}}) {
    Recorder recorder([&](FakeExchange& exchange) {
      if (!is_post(exchange, 0)) return false;
      exchange.answer(wanted.status, std::string(wanted.headers) + "Connection: close\r\n");
      exchange.hang();
      return true;
    });
    auto publisher = recorder.open();
    pollfd failed{publisher->failure_fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&failed, 1, 20'000), 1) << wanted.status;
    ASSERT_TRUE(publisher->failure());
    EXPECT_EQ(publisher->failure()->kind(), wanted.kind) << wanted.status;
    EXPECT_EQ(recorder.server().count("POST /c/0"), 1U);
  }
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

TEST(PublisherOnANetwork, NumbersThatAreClosedAlreadyArePassedOverWithoutASpin) {
  Recorder recorder([](FakeExchange& exchange) {
    if (exchange.request().method != "POST" || exchange.request().target == "/c") return false;
    if (std::stoi(exchange.request().target.substr(3)) >= 150) return false;
    exchange.answer(200);  // Early: nothing of the body is read.
    return true;
  });
  auto publisher = recorder.open();
  ASSERT_TRUE(recorder.server().wait_for("POST /c/99"));
  EXPECT_LE(recorder.server().count("POST /c/140"), 1U);
  publisher.reset();
}

}  // namespace
}  // namespace trickle
