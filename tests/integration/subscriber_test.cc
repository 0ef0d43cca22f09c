// Subscriber against a scripted server that does as it should: one test for each rule that needs a network.
#include <gtest/gtest.h>

#include <cstdlib>

#include "integration/jumping_clock.h"
#include "integration/subscriber_helpers.h"
#include "io/fd_io.h"
#include "io/stop.h"
#include "trickle/channel_info.h"

namespace trickle {
namespace {

using namespace testing;

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

TEST(SubscriberOnANetwork, AProxyIsUsedAsCurlDoes) {
  FakeServer proxy([](FakeExchange& exchange) { closed(exchange); });
  ::setenv("http_proxy", proxy.url("").c_str(), 1);
  auto subscriber = Subscriber::open({.url = "http://trickle.invalid/c", .connection = hasty()});
  ASSERT_TRUE(subscriber);
  EXPECT_EQ(read_all(**subscriber), "");
  ::unsetenv("http_proxy");
  EXPECT_EQ(proxy.count("GET http://trickle.invalid/c/-2"), 1U);
}

TEST(ChannelInspection, AServerThatKnowsNeitherNextNorOldestIsReadFromItsCurrentSegment) {
  FakeServer server([](FakeExchange& exchange) {
    const std::string& target = exchange.request().target;
    if (target == "/c/7") return exchange.hang();
    if (target != "/c/-2") return exchange.answer(400, "", "Invalid idx\n");
    exchange.answer(200, seq(6), "{}");
  });
  const auto info = inspect_channel({.url = server.url(), .connection = hasty()});
  ASSERT_TRUE(info) << info.error().to_string();
  EXPECT_EQ(info->next, 7);
  ASSERT_EQ(info->segments.size(), 1U);
  EXPECT_EQ(info->segments[0].number, 6);
  EXPECT_EQ(info->segments[0].size_bytes, 2U);
}

}  // namespace
}  // namespace trickle
