// Subscriber against a scripted server: one test for each rule that needs a network to show.
#include "trickle/subscriber.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "integration/fake_server.h"
#include "integration/jumping_clock.h"
#include "io/fd_io.h"
#include "io/stop.h"
#include "trickle/clients.h"

namespace trickle {
namespace {

using testing::FakeExchange;
using testing::FakeServer;
using testing::JumpingClock;

std::string seq(int64_t number) { return "Lp-Trickle-Seq: " + std::to_string(number) + "\r\n"; }

ConnectionOptions hasty() {
  ConnectionOptions options;
  options.retry_first_delay = options.retry_last_delay = std::chrono::milliseconds(1);
  return options;
}

std::unique_ptr<Subscriber> open(const FakeServer& server, SubscriberOptions options = {}) {
  options.url = server.url();
  options.connection = hasty();
  auto subscriber = Subscriber::open(std::move(options));
  EXPECT_TRUE(subscriber);
  return *std::move(subscriber);
}

// Reads to the end of the stream; segments are separated by '|', those that are incomplete marked by '!'.
std::string read_all(Subscriber& subscriber) {
  std::string all;
  while (true) {
    auto piece = subscriber.read();
    if (!piece) return all + "error: " + piece.error().to_string();
    switch (piece->kind) {
      case SubscriberPiece::Kind::kBytes:
        all.append(reinterpret_cast<const char*>(piece->bytes.data()), piece->bytes.size());
        break;
      case SubscriberPiece::Kind::kSegmentEnd:
        all += piece->complete ? "|" : "!|";
        break;
      case SubscriberPiece::Kind::kEndOfStream:
        return all;
    }
  }
}

void closed(FakeExchange& exchange) { exchange.answer(200, "Lp-Trickle-Closed: terminated\r\n"); }

TEST(SubscriberOnANetwork, AsksForTheNextSegmentWhileItStillReadsTheCurrentOne) {
  FakeServer* itself = nullptr;
  FakeServer server([&](FakeExchange& exchange) {
    if (exchange.request().target == "/c/-2") {
      exchange.begin(200, seq(7));
      exchange.chunk("begin ");
      EXPECT_TRUE(itself->wait_for("GET /c/8"));
      exchange.chunk("end");
      return exchange.end();
    }
    closed(exchange);
  });
  itself = &server;
  EXPECT_EQ(read_all(*open(server)), "begin end|");
}

TEST(SubscriberOnANetwork, ResumesABrokenSegmentAtTheByteAndSendsNothingTwice) {
  std::atomic<int> asked{0};
  FakeServer server([&](FakeExchange& exchange) {
    const std::string& target = exchange.request().target;
    if (target != "/c/-2" && target != "/c/3") return closed(exchange);
    exchange.begin(200, seq(3));
    exchange.chunk("0123");
    if (asked++ == 0) return exchange.reset();
    exchange.chunk("4567");
    exchange.chunk("89");
    exchange.end();
  });
  auto subscriber = open(server);
  EXPECT_EQ(read_all(*subscriber), "0123456789|");
  EXPECT_EQ(subscriber->gaps(), 0U);
  EXPECT_GE(server.count("GET /c/3"), 1U);
}

TEST(SubscriberOnANetwork, NoticesWhenAResumedSegmentIsNotTheSameAnyMore) {
  std::atomic<int> asked{0};
  FakeServer server([&](FakeExchange& exchange) {
    const std::string& target = exchange.request().target;
    if (target != "/c/-2" && target != "/c/3") return closed(exchange);
    exchange.begin(200, seq(3));
    if (asked++ == 0) {
      exchange.chunk("old bytes");
      return exchange.close();
    }
    exchange.chunk("new bytes and more");
    exchange.end();
  });
  auto subscriber = open(server);
  EXPECT_EQ(read_all(*subscriber), "old bytes!|");
  EXPECT_EQ(subscriber->gaps(), 1U);
}

TEST(SubscriberOnANetwork, GoesOnAfterABurstOfServerErrors) {
  std::atomic<int> asked{0};
  FakeServer server([&](FakeExchange& exchange) {
    if (exchange.request().target != "/c/-2") return closed(exchange);
    if (asked++ < 5) return exchange.answer(503, "", "busy");
    exchange.answer(200, seq(0), "at last");
  });
  EXPECT_EQ(read_all(*open(server)), "at last|");
}

TEST(SubscriberOnANetwork, GivesUpAfterAsManyFailuresInARowAsItWasTold) {
  FakeServer server([](FakeExchange& exchange) { exchange.reset(); });
  auto subscriber = open(server);
  const auto piece = subscriber->read();
  ASSERT_FALSE(piece);
  EXPECT_EQ(piece.error().kind(), ErrorKind::kNetwork);
  EXPECT_GE(server.connections(), 6);
}

TEST(SubscriberOnANetwork, UsesItsConnectionsAgain) {
  constexpr int kSegments = 40;
  FakeServer server([&](FakeExchange& exchange) {
    const std::string& target = exchange.request().target;
    const int64_t number = target == "/c/-2" ? 0 : std::stoll(target.substr(3));
    if (number == kSegments) return closed(exchange);
    exchange.answer(200, seq(number), "x");
  });
  std::string all;
  for (int i = 0; i < kSegments; ++i) all += "x|";
  EXPECT_EQ(read_all(*open(server)), all);
  EXPECT_LE(server.connections(), 3);
}

TEST(SubscriberOnANetwork, GoesOnWhereAServerClosesItsConnectionAfterEachAnswer) {
  FakeServer server([](FakeExchange& exchange) {
    const std::string& target = exchange.request().target;
    const int64_t number = target == "/c/-2" ? 0 : std::stoll(target.substr(3));
    if (number == 5) return closed(exchange);
    exchange.answer(200, seq(number) + "Connection: close\r\n", "x");
    exchange.close();
  });
  EXPECT_EQ(read_all(*open(server)), "x|x|x|x|x|");
}

TEST(SubscriberOnANetwork, ReadsHttp10WhereTheEndOfTheConnectionIsTheEndOfTheSegment) {
  FakeServer server([](FakeExchange& exchange) {
    if (exchange.request().target != "/c/-2") return closed(exchange);
    exchange.send("HTTP/1.0 200 OK\r\n" + seq(0) + "\r\nold style");
    exchange.close();
  });
  EXPECT_EQ(read_all(*open(server)), "old style|");
}

TEST(SubscriberOnANetwork, AnswersThatComeEarlyOrLateInTheSequenceAreHandledByTheirLatest) {
  std::atomic<int> early{0};
  FakeServer server([&](FakeExchange& exchange) {
    const std::string& target = exchange.request().target;
    if (target == "/c/-2") return exchange.answer(200, seq(4), "a");
    if (target == "/c/5" && early++ < 2)
      return exchange.answer(470, "Lp-Trickle-Latest: 5\r\n", "Entry not found\n");
    if (target == "/c/5") return exchange.answer(470, "Lp-Trickle-Latest: 9\r\n", "Entry not found\n");
    if (target == "/c/9") return exchange.answer(200, seq(9), "b");
    closed(exchange);
  });
  auto subscriber = open(server);
  EXPECT_EQ(read_all(*subscriber), "a|b|");
  EXPECT_EQ(subscriber->gaps(), 1U);
}

TEST(SubscriberOnANetwork, DoesNotFollowARedirect) {
  FakeServer server(
      [](FakeExchange& exchange) { exchange.answer(302, "Location: http://127.0.0.1:1/\r\n"); });
  const auto piece = open(server)->read();
  ASSERT_FALSE(piece);
  EXPECT_NE(piece.error().message().find("redirects"), std::string::npos);
  EXPECT_EQ(server.connections(), 1);
}

TEST(SubscriberOnANetwork, SendsItsTokenAndHeaders) {
  FakeServer server([](FakeExchange& exchange) {
    const auto& headers = exchange.request().headers;
    EXPECT_EQ(headers.at("authorization"), "Bearer secret");
    EXPECT_EQ(headers.at("x-extra"), "1");
    closed(exchange);
  });
  SubscriberOptions options{.url = server.url()};
  options.connection.token = "secret";
  options.connection.headers = {"X-Extra: 1"};
  auto subscriber = *Subscriber::open(options);
  EXPECT_EQ(read_all(*subscriber), "");
}

TEST(SubscriberOnANetwork, AStopEndsEveryWaitAtOnce) {
  FakeServer server([](FakeExchange& exchange) { exchange.hang(); });
  const StopSource source;
  auto subscriber = open(server, {.stop_fd = source.token().fd()});
  std::thread stopper([&] {
    EXPECT_TRUE(server.wait_for("GET /c/-2"));
    source.request_stop();
  });
  const auto piece = subscriber->read();
  stopper.join();
  ASSERT_FALSE(piece);
  EXPECT_EQ(piece.error().kind(), ErrorKind::kCancelled);
}

TEST(SubscriberOnANetwork, CancelEndsEveryWaitAtOnceFromAnotherThread) {
  FakeServer server([](FakeExchange& exchange) { exchange.hang(); });
  auto subscriber = open(server);
  std::thread canceller([&] {
    EXPECT_TRUE(server.wait_for("GET /c/-2"));
    subscriber->cancel();
  });
  const auto piece = subscriber->read();
  canceller.join();
  ASSERT_FALSE(piece);
  EXPECT_EQ(piece.error().kind(), ErrorKind::kCancelled);
}

TEST(SubscriberOnANetwork, TheEndOfTheOutputsReaderEndsEveryWait) {
  FakeServer server([](FakeExchange& exchange) { exchange.hang(); });
  auto pipe = make_pipe();
  ASSERT_TRUE(pipe);
  auto subscriber = open(server, {.output_fd = pipe->write_end.get()});
  std::thread reader([&] {
    EXPECT_TRUE(server.wait_for("GET /c/-2"));
    pipe->read_end.reset();
  });
  const auto piece = subscriber->read();
  reader.join();
  ASSERT_FALSE(piece);
  EXPECT_EQ(piece.error().kind(), ErrorKind::kClosed);
}

TEST(SubscriberOnANetwork, GivesWholeMessagesHoweverManyPiecesTheyComeIn) {
  const std::string large(3'000'000, 'j');
  FakeServer server([&](FakeExchange& exchange) {
    const std::string& target = exchange.request().target;
    if (target == "/c/-2") {
      exchange.begin(200, seq(0));
      for (size_t at = 0; at < large.size(); at += 100'000) exchange.chunk(large.substr(at, 100'000));
      return exchange.end();
    }
    if (target == "/c/1") return exchange.answer(200, seq(1));
    if (target == "/c/2") return exchange.answer(200, seq(2), R"({"keep":"alive"})");
    closed(exchange);
  });
  auto subscriber = open(server);
  auto first = subscriber->read_segment();
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((*first)->bytes, large);
  auto second = subscriber->read_segment();
  ASSERT_TRUE(second && *second);
  EXPECT_EQ((*second)->number, 2);
  auto last = subscriber->read_segment();
  ASSERT_TRUE(last);
  EXPECT_FALSE(*last);
}

TEST(SubscriberOnANetwork, RefusesAMessageThatIsTooLong) {
  FakeServer server([](FakeExchange& exchange) { exchange.answer(200, seq(0), std::string(2000, 'x')); });
  const auto segment = open(server)->read_segment(1000);
  ASSERT_FALSE(segment);
  EXPECT_EQ(segment.error().kind(), ErrorKind::kBadData);
}

// Time

std::unique_ptr<Subscriber> open_with(const FakeServer& server, const Clock& clock) {
  auto subscriber = open_subscriber({.url = server.url(), .connection = hasty()}, clock);
  EXPECT_TRUE(subscriber);
  return *std::move(subscriber);
}

TEST(SubscriberOnANetwork, PitfallAPreconnectThatHangsIsMadeAnewAfterTwentySeconds) {
  JumpingClock clock;
  FakeServer* itself = nullptr;
  std::atomic<int> asked{0};
  FakeServer server([&](FakeExchange& exchange) {
    const std::string& target = exchange.request().target;
    if (target == "/c/8" && asked++ == 0) return exchange.hang();
    if (target != "/c/-2") return closed(exchange);
    exchange.begin(200, seq(7));
    exchange.chunk("a");
    EXPECT_TRUE(itself->wait_for("GET /c/8"));
    clock.jump(std::chrono::seconds(21));
    exchange.chunk("b");
    EXPECT_TRUE(itself->wait_for("GET /c/8", 2));  // While the segment before is still being read.
    exchange.end();
  });
  itself = &server;
  EXPECT_EQ(read_all(*open_with(server, clock)), "ab|");
}

TEST(SubscriberOnANetwork, ARequestWithoutAnAnswerIsMadeAnewAfterTwentySecondsAndNoSooner) {
  JumpingClock clock;
  std::atomic<int> asked{0};
  FakeServer* itself = nullptr;
  FakeServer server([&](FakeExchange& exchange) {
    if (asked++ > 0) return closed(exchange);
    clock.jump(std::chrono::seconds(15));
    exchange.send("HTTP/1.1 100 Continue\r\n\r\n");  // Wakes the client, and is no answer.
    EXPECT_EQ(itself->count("GET /c/-2"), 1U);
    clock.jump(std::chrono::seconds(6));
    exchange.send("HTTP/1.1 100 Continue\r\n\r\n");
    exchange.hang();
  });
  itself = &server;
  EXPECT_EQ(read_all(*open_with(server, clock)), "");
  EXPECT_EQ(server.count("GET /c/-2"), 2U);
}

TEST(SubscriberOnANetwork, PitfallASessionThatIsQuietForHoursIsNotEnded) {
  JumpingClock clock;
  FakeServer server([&](FakeExchange& exchange) {
    if (exchange.request().target != "/c/-2") return closed(exchange);
    exchange.begin(200, seq(7));
    for (const char* piece : {"a", "b", "c"}) {
      exchange.chunk(piece);
      clock.jump(std::chrono::hours(3));
    }
    exchange.end();
  });
  EXPECT_EQ(read_all(*open_with(server, clock)), "abc|");
}

TEST(SubscriberOnANetwork, PitfallTenMinutesOfSegmentsTakeThreeSocketsAndLeaveNone) {
  constexpr int kSegments = 300;
  FakeServer* itself = nullptr;
  FakeServer server([&](FakeExchange& exchange) {
    const std::string& target = exchange.request().target;
    const int64_t number = target == "/c/-2" ? 0 : std::stoll(target.substr(3));
    if (number == kSegments) return closed(exchange);
    exchange.begin(200, seq(number));
    exchange.chunk("x");
    EXPECT_TRUE(itself->wait_for("GET /c/" + std::to_string(number + 1)));
    exchange.chunk("y");
    exchange.end();
  });
  itself = &server;
  std::string all;
  for (int i = 0; i < kSegments; ++i) all += "xy|";
  EXPECT_EQ(read_all(*open(server)), all);
  EXPECT_LE(server.connections(), 3);
  EXPECT_EQ(server.wait_until_all_closed(), 0);
}

TEST(SubscriberOnANetwork, GoesOnWhereAServerDropsKeepAliveConnectionsWithoutAWord) {
  FakeServer server([](FakeExchange& exchange) {
    const std::string& target = exchange.request().target;
    const int64_t number = target == "/c/-2" ? 0 : std::stoll(target.substr(3));
    if (number == 20) return closed(exchange);
    exchange.answer(200, seq(number), "x");
    if (number % 2 == 0) exchange.close();
  });
  auto subscriber = open(server);
  EXPECT_EQ(read_all(*subscriber), "x|x|x|x|x|x|x|x|x|x|x|x|x|x|x|x|x|x|x|x|");
  EXPECT_EQ(subscriber->gaps(), 0U);
}

TEST(SubscriberOnANetwork, PitfallOldSegmentsAreNotReplayedAfterA470) {
  std::atomic<int> asked{0};
  FakeServer server([&](FakeExchange& exchange) {
    const std::string& target = exchange.request().target;
    if (target == "/c/-2") return exchange.answer(200, seq(4), "a");
    if (target == "/c/5") return exchange.answer(470, "Lp-Trickle-Latest: 9\r\n", "Entry not found\n");
    if (target == "/c/9" && asked++ == 0) return exchange.answer(200, seq(4), "a");  // Wrong: an old one.
    if (target == "/c/9") return exchange.answer(200, seq(9), "b");
    closed(exchange);
  });
  EXPECT_EQ(read_all(*open(server)), "a|b|");
}

TEST(SubscriberOnANetwork, ARefusalIsNotRetried) {
  for (const int status : {401, 403}) {
    FakeServer server([&](FakeExchange& exchange) { exchange.answer(status); });
    const auto piece = open(server)->read();
    ASSERT_FALSE(piece);
    EXPECT_EQ(piece.error().kind(), ErrorKind::kRefused);
    EXPECT_EQ(server.requests().size(), 1U);
  }
}

TEST(SubscriberOnANetwork, AProxyIsUsedAsCurlDoes) {
  FakeServer proxy([](FakeExchange& exchange) { closed(exchange); });
  ::setenv("http_proxy", proxy.url("").c_str(), 1);
  auto subscriber = Subscriber::open({.url = "http://trickle.invalid/c", .connection = hasty()});
  ASSERT_TRUE(subscriber);
  EXPECT_EQ(read_all(**subscriber), "");
  ::unsetenv("http_proxy");
  EXPECT_EQ(proxy.count("GET http://trickle.invalid/c/-2"), 1U);
}

TEST(SubscriberOnANetwork, AHeadThatBreaksOffIsALostConnection) {
  std::atomic<int> asked{0};
  FakeServer server([&](FakeExchange& exchange) {
    if (asked++ < 3) {
      exchange.send(std::string_view("HTTP/1.1 200 OK\r\nLp-Trickle-Seq: 0\r\nContent-Length: 0\r\n")
                        .substr(0, asked == 1 ? 17 : 36));
      return exchange.close();
    }
    closed(exchange);
  });
  EXPECT_EQ(read_all(*open(server)), "");
  EXPECT_GE(asked, 4);
}

TEST(SubscriberOnANetwork, AnswersThatAreNoHttpOrMadnessAreRetriedAndGivenUpOn) {
  for (const char* answer :
       {"SSH-2.0-OpenSSH_9\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nLp-Trickle-Seq: 1\r\n\r\nzz\r\n"}) {
    FakeServer server([&](FakeExchange& exchange) {
      exchange.send(answer);
      exchange.close();
    });
    const auto piece = open(server)->read();
    ASSERT_FALSE(piece) << answer;
    EXPECT_EQ(piece.error().kind(), ErrorKind::kNetwork) << answer;
  }
}

}  // namespace
}  // namespace trickle
