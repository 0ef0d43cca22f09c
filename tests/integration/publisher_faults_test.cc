// Publisher against scripted servers that break off, refuse, hang or answer wrongly.
#include <gtest/gtest.h>

#include <random>
#include <set>
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

TEST(PublisherInTrouble, APreconnectThatTheServerDropsIsConnectedAgainAndNothingIsLost) {
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

TEST(PublisherInTrouble, ASegmentThatBrokeAfterItsFirstByteIsDeletedAndCountedToTheByte) {
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

TEST(PublisherInTrouble, AnEarly404WhileTheUploadWaitsEndsIt) {
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

TEST(PublisherInTrouble, RefusalsAreNotRetried) {
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

TEST(PublisherInTrouble, UnderDropADeadServerNeverHoldsTheWriterUpAndItsMemoryIsBounded) {
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

TEST(PublisherInTrouble, TheEndOfTheServersSideIsNoticedWhileTheUploadIsPaused) {
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

TEST(PublisherInTrouble, ASegmentWithoutAStatusTwentySecondsAfterItsEndIsLost) {
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

TEST(PublisherInTrouble, PitfallAPostThatTakesNothingForTwentySecondsIsGivenUp) {
  JumpingClock clock;
  Recorder recorder([&](FakeExchange& exchange) {
    if (!is_post(exchange, 0)) return false;
    exchange.stall();
    return true;
  });
  // For ever: a leap of the clock while it deletes the segment is no server that is gone.
  auto publisher =
      *open_publisher({.url = recorder.server().url(), .connection = {.retries = std::nullopt}}, clock);
  ASSERT_TRUE(write(*publisher, std::string(20'000'000, 'x')));  // More than sockets hold.
  EXPECT_TRUE(recorder.server().wait_for("POST /c/0"));
  // Each piece that goes out starts the time anew: until the sockets are full.
  for (int i = 0; i < 200 && publisher->totals().lost_bytes == 0; ++i) {
    clock.jump(std::chrono::seconds(21));
    ASSERT_TRUE(write(*publisher, "x"));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // Between tries.
  }
  EXPECT_TRUE(recorder.server().wait_for("DELETE /c/0"));
  EXPECT_GE(publisher->totals().lost_bytes, 20'000'000U);
}

TEST(PublisherInTrouble, ABurstOfServerErrorsBeforeAnyByteLosesNothing) {
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

TEST(PublisherInTrouble, ABurstOfServerErrorsOnOtherRequestsLosesNothing) {
  std::mutex mutex;
  std::map<std::string, int> tries;
  Recorder recorder([&](FakeExchange& exchange) {
    const auto& request = exchange.request();
    const bool control = request.method != "POST" || request.target == "/c";
    const std::lock_guard lock(mutex);
    if (!control || tries[request.method + " " + request.target]++ >= 2) return false;
    exchange.answer(request.method == "GET" ? 500 : 503, "", "busy");
    return true;
  });
  auto publisher = recorder.open();
  ASSERT_TRUE(publisher->publish("whole"));
  ASSERT_TRUE(publisher->finish());
  EXPECT_EQ(recorder.segment(0), "whole");
  const std::lock_guard lock(mutex);
  EXPECT_EQ(tries, (std::map<std::string, int>{{"POST /c", 3}, {"GET /c/next", 3}, {"DELETE /c", 3}}));
}

TEST(PublisherInTrouble, Http10AnswersAreAnswersAndEndTheirConnections) {
  Recorder recorder([](FakeExchange& exchange) {
    exchange.speak_http_1_0();
    return false;
  });
  auto publisher = recorder.open();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(publisher->publish("old style " + std::to_string(i)));
  ASSERT_TRUE(publisher->finish());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(recorder.segment(i), "old style " + std::to_string(i));
}

TEST(PublisherInTrouble, KeepAliveConnectionsThatTheServerDropsWithoutAWordLoseNothing) {
  Recorder recorder([](FakeExchange& exchange) {
    exchange.close();  // After the answer, which doesn't say so.
    return false;
  });
  auto publisher = recorder.open();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(write(*publisher, "segment"));
    // A connection that was dropped has shown that by the time it is to carry data, as in a stream.
    ASSERT_TRUE(recorder.server().wait_for("POST /c/" + std::to_string(i + 1)));
    ASSERT_TRUE(publisher->end_segment());
  }
  ASSERT_TRUE(publisher->finish());
  EXPECT_EQ(publisher->totals().lost_bytes, 0U);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(recorder.segment(i), "segment") << i;
}

TEST(PublisherInTrouble, ARedirectIsNotFollowed) {
  Recorder recorder([](FakeExchange& exchange) {
    exchange.answer(302, "Location: http://127.0.0.1:1/\r\n");
    return true;
  });
  auto publisher = recorder.open();
  pollfd failed{publisher->failure_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&failed, 1, 20'000), 1);
  EXPECT_NE(publisher->failure()->message().find("redirects"), std::string::npos);
  EXPECT_EQ(recorder.server().requests().size(), 1U);
}

TEST(PublisherInTrouble, AnEarlySuccessInTheMiddleOfASegmentIsALossOfThatOne) {
  Recorder recorder([](FakeExchange& exchange) {
    if (!is_post(exchange, 0)) return false;
    EXPECT_TRUE(exchange.read_chunk());
    exchange.answer(200, "Connection: close\r\n");
    exchange.hang();
    return true;
  });
  auto publisher = recorder.open();
  ASSERT_TRUE(write(*publisher, "half"));
  EXPECT_TRUE(recorder.server().wait_for("DELETE /c/0"));
  ASSERT_TRUE(write(*publisher, "of it"));
  ASSERT_TRUE(publisher->publish("next"));
  EXPECT_FALSE(publisher->finish());
  EXPECT_EQ(publisher->totals().lost_bytes, 9U);
  EXPECT_EQ(recorder.segment(1), "next");
}

TEST(PublisherInTrouble, PitfallEachPieceHasOneNumberAndEachNumberOnePieceWhateverBreaks) {
  std::mutex mutex;
  std::mt19937 random(7);
  std::map<int, std::vector<std::string>> begun;  // The first bytes that came of each number.
  Recorder recorder([&](FakeExchange& exchange) {
    const auto& request = exchange.request();
    if (request.method != "POST" || request.target == "/c") return false;
    const int number = std::stoi(request.target.substr(3));
    std::unique_lock lock(mutex);
    const auto fate = random() % 8;
    lock.unlock();
    if (fate == 0) exchange.answer(503, "Connection: close\r\n");
    if (fate <= 1) exchange.close();
    if (fate == 2) exchange.reset();
    if (fate <= 2) return true;
    const auto chunk = exchange.read_chunk();
    if (!chunk) return true;  // A preconnect that is not needed any more.
    lock.lock();
    begun[number].push_back(*chunk);
    lock.unlock();
    if (fate == 3) {
      exchange.reset();
      return true;
    }
    exchange.read_body();
    exchange.answer(200);
    return true;
  });
  auto publisher = recorder.open();
  std::set<std::string> pieces;
  for (int i = 0; i < 40; ++i) {
    pieces.insert("piece " + std::to_string(i));
    ASSERT_TRUE(publisher->publish("piece " + std::to_string(i)));
  }
  const auto finished = publisher->finish();
  const PublisherTotals totals = publisher->totals();
  EXPECT_EQ(finished.has_value(), totals.lost_bytes == 0);
  EXPECT_EQ(totals.acknowledged_segments + totals.lost_segments, pieces.size());
  EXPECT_EQ(totals.acknowledged_bytes + totals.lost_bytes, totals.accepted_bytes);
  EXPECT_GT(totals.lost_segments, 0U);
  const std::lock_guard lock(mutex);
  EXPECT_GE(begun.size(), totals.acknowledged_segments);
  for (const auto& [number, first_bytes] : begun) {
    ASSERT_EQ(first_bytes.size(), 1U) << "two bodies for number " << number;
    EXPECT_EQ(pieces.erase(first_bytes[0]), 1U) << first_bytes[0] << " came twice";
  }
}

TEST(PublisherInTrouble, AHeadThatBreaksOffIsALostConnection) {
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

TEST(PublisherInTrouble, StatusesThatEndItEndItWithTheirOwnError) {
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
    EXPECT_EQ(recorder.server().count("POST /c"), 1U);  // What is closed is not made anew.
  }
}

TEST(PublisherInTrouble, NumbersThatAreClosedAlreadyArePassedOverWithoutASpin) {
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
