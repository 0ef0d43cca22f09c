// Subscriber against scripted servers that break off, refuse, hang or answer wrongly.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/jumping_clock.h"
#include "integration/subscriber_helpers.h"

namespace trickle {
namespace {

using namespace testing;

TEST(SubscriberInTrouble, ResumesABrokenSegmentAtTheByteAndSendsNothingTwice) {
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

TEST(SubscriberInTrouble, HoweverOftenASegmentBreaksEachByteComesOnce) {
  const std::string whole = "the bytes of one segment";
  std::atomic<size_t> breaks{0};
  FakeServer server([&](FakeExchange& exchange) {
    const std::string& target = exchange.request().target;
    if (target != "/c/-2" && target != "/c/3") return closed(exchange);
    const size_t at = breaks++;
    exchange.begin(200, seq(3));
    if (at > 0) exchange.chunk(whole.substr(0, std::min(at, whole.size())));
    if (at > whole.size()) return exchange.end();
    at % 3 == 0 ? exchange.reset()
                : exchange.close();  // In the head, in what is skipped, behind the last byte.
  });
  auto subscriber = open(server, {}, std::nullopt);
  EXPECT_EQ(read_all(*subscriber), whole + "|");
  EXPECT_EQ(subscriber->gaps(), 0U);
  EXPECT_EQ(breaks, whole.size() + 2);
}

TEST(SubscriberInTrouble, APreconnectedSegmentThatBreaksBeforeItsTurnIsResumedAtTheByte) {
  FakeServer* itself = nullptr;
  std::atomic<int> asked{0};
  std::atomic<bool> broken{false};
  FakeServer server([&](FakeExchange& exchange) {
    const std::string& target = exchange.request().target;
    if (target == "/c/-2") {
      exchange.begin(200, seq(7));
      exchange.chunk("seven");
      EXPECT_TRUE(itself->wait_for("GET /c/8"));
      broken.wait(false);
      return exchange.end();
    }
    if (target != "/c/8") return closed(exchange);
    exchange.begin(200, seq(8));
    exchange.chunk("ei");
    if (asked++ == 0) {
      exchange.close();
      broken = true;
      return broken.notify_all();
    }
    exchange.chunk("ght");
    exchange.end();
  });
  itself = &server;
  auto subscriber = open(server);
  EXPECT_EQ(read_all(*subscriber), "seven|eight|");
  EXPECT_EQ(subscriber->gaps(), 0U);
}

TEST(SubscriberInTrouble, AServerErrorOnThePreconnectCostsNothing) {
  FakeServer* itself = nullptr;
  std::atomic<int> asked{0};
  FakeServer server([&](FakeExchange& exchange) {
    const std::string& target = exchange.request().target;
    if (target == "/c/-2") {
      exchange.begin(200, seq(7));
      exchange.chunk("seven");
      EXPECT_TRUE(itself->wait_for("GET /c/8", 2));
      return exchange.end();
    }
    if (target == "/c/8" && asked++ == 0) return exchange.answer(502, "", "busy");
    if (target == "/c/8") return exchange.answer(200, seq(8), "eight");
    closed(exchange);
  });
  itself = &server;
  auto subscriber = open(server);
  EXPECT_EQ(read_all(*subscriber), "seven|eight|");
  EXPECT_EQ(subscriber->gaps(), 0U);
}

TEST(SubscriberInTrouble, ABrokenSegmentForWhichTheServerGivesAnotherOneIsAGapAndNothingComesTwice) {
  FakeServer server([](FakeExchange& exchange) {
    const std::string& target = exchange.request().target;
    if (target == "/c/-2") {
      exchange.begin(200, seq(3));
      exchange.chunk("three");
      return exchange.close();
    }
    if (target == "/c/3" || target == "/c/4") return exchange.answer(200, seq(4), "four");
    closed(exchange);
  });
  auto subscriber = open(server);
  EXPECT_EQ(read_all(*subscriber), "three!|four|");
  EXPECT_EQ(subscriber->gaps(), 1U);
}

TEST(SubscriberInTrouble, NoticesWhenAResumedSegmentIsNotTheSameAnyMore) {
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

TEST(SubscriberInTrouble, GoesOnAfterABurstOfServerErrors) {
  std::atomic<int> asked{0};
  FakeServer server([&](FakeExchange& exchange) {
    if (exchange.request().target != "/c/-2") return closed(exchange);
    if (asked++ < 5) return exchange.answer(503, "", "busy");
    exchange.answer(200, seq(0), "at last");
  });
  EXPECT_EQ(read_all(*open(server)), "at last|");
}

TEST(SubscriberInTrouble, GivesUpAfterAsManyFailuresInARowAsItWasTold) {
  FakeServer server([](FakeExchange& exchange) { exchange.reset(); });
  auto subscriber = open(server);
  const auto piece = subscriber->read();
  ASSERT_FALSE(piece);
  EXPECT_EQ(piece.error().kind(), ErrorKind::kNetwork);
  EXPECT_GE(server.connections(), 6);
}

TEST(SubscriberInTrouble, GoesOnWhereAServerClosesItsConnectionAfterEachAnswer) {
  FakeServer server([](FakeExchange& exchange) {
    const std::string& target = exchange.request().target;
    const int64_t number = target == "/c/-2" ? 0 : std::stoll(target.substr(3));
    if (number == 5) return closed(exchange);
    exchange.answer(200, seq(number) + "Connection: close\r\n", "x");
    exchange.close();
  });
  EXPECT_EQ(read_all(*open(server)), "x|x|x|x|x|");
}

TEST(SubscriberInTrouble, ReadsHttp10WhereTheEndOfTheConnectionIsTheEndOfTheSegment) {
  FakeServer server([](FakeExchange& exchange) {
    if (exchange.request().target != "/c/-2") return closed(exchange);
    exchange.send("HTTP/1.0 200 OK\r\n" + seq(0) + "\r\nold style");
    exchange.close();
  });
  EXPECT_EQ(read_all(*open(server)), "old style|");
}

TEST(SubscriberInTrouble, DoesNotFollowARedirect) {
  FakeServer server(
      [](FakeExchange& exchange) { exchange.answer(302, "Location: http://127.0.0.1:1/\r\n"); });
  const auto piece = open(server)->read();
  ASSERT_FALSE(piece);
  EXPECT_NE(piece.error().message().find("redirects"), std::string::npos);
  EXPECT_EQ(server.connections(), 1);
}

TEST(SubscriberInTrouble, PitfallAPreconnectThatHangsIsMadeAnewAfterTwentySeconds) {
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

TEST(SubscriberInTrouble, ARequestWithoutAnAnswerIsMadeAnewAfterTwentySecondsAndNoSooner) {
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

TEST(SubscriberInTrouble, GoesOnWhereAServerDropsKeepAliveConnectionsWithoutAWord) {
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

TEST(SubscriberInTrouble, PitfallOldSegmentsAreNotReplayedAfterA470) {
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

TEST(SubscriberInTrouble, ARefusalIsNotRetried) {
  for (const int status : {401, 403}) {
    FakeServer server([&](FakeExchange& exchange) { exchange.answer(status); });
    const auto piece = open(server)->read();
    ASSERT_FALSE(piece);
    EXPECT_EQ(piece.error().kind(), ErrorKind::kRefused);
    EXPECT_EQ(server.requests().size(), 1U);
  }
}

TEST(SubscriberInTrouble, AHeadThatBreaksOffIsALostConnection) {
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

TEST(SubscriberInTrouble, AnswersThatAreNoHttpOrMadnessAreRetriedAndGivenUpOn) {
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
    EXPECT_THAT(piece.error().to_string(), ::testing::HasSubstr(server.url())) << "Where it was";
  }
}

TEST(SubscriberInTrouble, AHeadThatIsTooLargeIsNamedAsThat) {
  FakeServer server([&](FakeExchange& exchange) {
    exchange.send("HTTP/1.1 200 OK\r\nLp-Trickle-Seq: 1\r\nX: " + std::string(300'000, 'x') + "\r\n\r\n");
    exchange.close();
  });
  const auto piece = open(server)->read();
  ASSERT_FALSE(piece);
  EXPECT_EQ(piece.error().kind(), ErrorKind::kNetwork);
  EXPECT_THAT(piece.error().to_string(), ::testing::HasSubstr("head of the server's answer is too large"));
}

}  // namespace
}  // namespace trickle
