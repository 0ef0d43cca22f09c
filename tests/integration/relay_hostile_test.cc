// Hostile and hopeless clients against the real trickle-relay: whatever they do, a publisher and its reader
// go on beside them, and the process stays under its memory cap.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <random>
#include <thread>

#include "http/chunk.h"
#include "integration/raw_client.h"
#include "integration/relay_process.h"

namespace trickle {
namespace {

using namespace std::chrono_literals;
using testing::body_of;
using testing::dechunk;
using ::testing::HasSubstr;
using testing::RawClient;
using testing::RelayProcess;
using ::testing::StartsWith;

constexpr size_t kMegabyte = 1 << 20;
// The program itself, its libraries and what the allocator has not given back.
constexpr size_t kProgramBytes = 24 * kMegabyte;

using Clients = std::vector<std::unique_ptr<RawClient>>;

std::string chunk(std::string_view text) { return std::string(http::Chunk(text).framed()); }

class HostileClients : public ::testing::Test {
 protected:
  void start(std::vector<std::string> options) {
    relay_ = std::make_unique<RelayProcess>(std::move(options));
    ASSERT_NE(relay_->port(), 0) << "trickle-relay did not start";
  }
  void TearDown() override {
    if (!relay_) return;
    EXPECT_EQ(relay_->stop(), 0) << "trickle-relay ends well";
  }

  std::unique_ptr<RawClient> connect() { return std::make_unique<RawClient>(relay_->port()); }
  std::unique_ptr<RawClient> open_post(const std::string& path) {
    auto client = connect();
    client->send("POST " + path + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    return client;
  }
  std::unique_ptr<RawClient> open_get(const std::string& path) {
    auto client = connect();
    client->send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
    return client;
  }
  std::string ask(const std::string& method, const std::string& path, const std::string& body = "") {
    RawClient client(relay_->port());
    client.send(fmt::format("{} {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                            method, path, body.size()));
    client.send(body);
    return client.read_to_end();
  }

  // A publisher and a reader of an own channel, a few segments long: every byte arrives.
  void expect_service(const std::string& channel = "good") {
    for (int segment = 0; segment < 3; ++segment) {
      const std::string path = fmt::format("/{}/{}", channel, segment);
      const std::string text(50'000, static_cast<char>('a' + segment));
      ASSERT_THAT(ask("POST", path, text), StartsWith("HTTP/1.1 200 ")) << path;
      ASSERT_EQ(dechunk(body_of(ask("GET", path))), text) << path;
    }
    ASSERT_THAT(ask("DELETE", "/" + channel), StartsWith("HTTP/1.1 200 "));
  }

  void expect_memory_under(size_t cap_bytes) {
    const size_t rss = relay_->rss_bytes();
    RecordProperty("rss_megabytes", static_cast<int>(rss / kMegabyte));
    std::cout << "resident " << rss / kMegabyte << " MiB, cap " << cap_bytes / kMegabyte << " MiB\n";
    if (testing::sanitized()) return;
    EXPECT_LT(rss, cap_bytes + kProgramBytes);
  }

  std::unique_ptr<RelayProcess> relay_;
};

TEST_F(HostileClients, SlowHeadersHoldNobodyUpAndAreAnswered408) {
  start({"--memory", "64M"});
  Clients slow;
  for (int i = 0; i < 300; ++i) {
    slow.push_back(connect());
    slow.back()->send("GET /good/0 HTTP/1.1\r\nHost: x\r\nX-Slow: ");
  }
  expect_service();
  for (auto& client : slow) client->send("drip");
  EXPECT_THAT(slow.front()->read_to_end(), StartsWith("HTTP/1.1 408 "));
  expect_memory_under(64 * kMegabyte);
}

TEST_F(HostileClients, FiveThousandIdleReadersWaitWhileOthersAreServed) {
  constexpr size_t kReaders = 5000;
  if (!testing::raise_descriptors(kReaders + 200)) {
    GTEST_SKIP() << "the hard limit of open files (ulimit -Hn) is too low for " << kReaders << " connections";
  }
  start({"--memory", "128M"});
  ask("POST", "/idle");
  const size_t before = relay_->rss_bytes();
  Clients readers;
  for (size_t i = 0; i < kReaders; ++i) readers.push_back(open_get("/idle/0"));
  ASSERT_TRUE(relay_->becomes("/_health", fmt::format("\"readers\":{},", kReaders)));
  std::cout << (relay_->rss_bytes() - before) / kReaders << " bytes a reader\n";
  expect_service();
  ask("POST", "/idle/0", "at last");
  for (auto& reader : readers) ASSERT_TRUE(reader->wait_for("at last\r\n0\r\n\r\n"));
  expect_memory_under(128 * kMegabyte);
}

TEST_F(HostileClients, OneReaderInAHundredStalledHoldsNeitherOthersNorMemory) {
  start({"--memory", "64M", "--max-channel-bytes", "32M"});
  ask("POST", "/cam");
  Clients stalled;
  Clients readers;
  for (int i = 0; i < 100; ++i) {
    if (i % 100 != 0) {
      readers.push_back(connect());
      continue;
    }
    stalled.push_back(connect());
    stalled.back()->send("GET /cam/live HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  for (int segment = 0; segment < 12; ++segment) {
    const std::string path = fmt::format("/cam/{}", segment);
    for (auto& reader : readers) reader->send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
    auto writer = open_post(path);
    std::string sent;
    for (int piece = 0; piece < 8; ++piece) {
      const std::string text(100'000, static_cast<char>('a' + (segment + piece) % 26));
      sent += text;
      writer->send(chunk(text));
    }
    writer->send("0\r\n\r\n");
    for (auto& reader : readers) {
      ASSERT_TRUE(reader->wait_for("\r\n0\r\n\r\n"));
      ASSERT_EQ(dechunk(body_of(reader->take())), sent);
    }
    ASSERT_THAT(writer->read_answer(), StartsWith("HTTP/1.1 200 "));
  }
  ASSERT_TRUE(relay_->becomes("/_health", "\"readers\":0,")) << "whoever stalls is not kept";
  for (auto& reader : stalled) {
    EXPECT_EQ(dechunk(body_of(reader->read_to_end())), "(not whole)") << "a stalled reader is cut off";
  }
  expect_memory_under(64 * kMegabyte);
}

TEST_F(HostileClients, ASegmentOfAGigabyteIsRefusedAtItsCapAndKeepsWhatFitted) {
  start({"--memory", "512M"});
  auto writer = connect();
  writer->send("POST /cam/0 HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n");
  std::thread sender([&] {
    const std::string block(kMegabyte, 'g');
    for (int i = 0; i < 1024; ++i) writer->send(block);
  });
  EXPECT_THAT(writer->read_to_end(),
              ::testing::AllOf(StartsWith("HTTP/1.1 413 "), HasSubstr("Connection: close")));
  sender.join();
  const std::string kept = dechunk(body_of(ask("GET", "/cam/0")));
  EXPECT_LE(kept.size(), 64 * kMegabyte);
  EXPECT_GT(kept.size(), 63 * kMegabyte);
  EXPECT_EQ(kept.find_first_not_of('g'), std::string::npos);
  expect_service();
  expect_memory_under(128 * kMegabyte);
}

TEST_F(HostileClients, ManyLargeChannelsGiveTheirOldestSegmentsAndStayUnderTheCap) {
  start({"--memory", "64M"});
  const std::string block(kMegabyte, 'b');
  for (int i = 0; i < 300; ++i) {
    ASSERT_THAT(ask("POST", fmt::format("/cam{}/{}", i % 20, i / 20), block), StartsWith("HTTP/1.1 200 "));
  }
  EXPECT_THAT(ask("GET", "/_health"), ::testing::Not(HasSubstr("\"evicted\":0,")));
  expect_service();
  expect_memory_under(64 * kMegabyte);
}

TEST_F(HostileClients, WhenOpenSegmentsFillTheMemoryTheNextPublisherIsTold507) {
  start({"--memory", "32M"});
  const std::string block(kMegabyte, 'o');
  Clients writers;
  std::string answer;
  while (writers.size() < 100 && answer.empty()) {
    writers.push_back(open_post(fmt::format("/cam{}/0", writers.size())));
    writers.back()->send(chunk(block));
    const std::string taken = fmt::format("\"bytes_in\":{},", writers.size() * block.size());
    while (writers.back()->quiet() && ask("GET", "/_health").find(taken) == std::string::npos) {
    }
    if (!writers.back()->quiet()) answer = writers.back()->read_to_end();
  }
  EXPECT_THAT(answer, ::testing::AllOf(StartsWith("HTTP/1.1 507 "), HasSubstr("no memory left")));
  EXPECT_GT(writers.size(), 10u);
  expect_memory_under(32 * kMegabyte);
  for (auto& writer : writers) writer->close();
}

TEST_F(HostileClients, ReadersThatStallOnDeletedChannelsHoldNoMemory) {
  start({"--memory", "64M"});
  const std::string block(4 * kMegabyte, 'd');
  Clients stalled;
  for (int i = 0; i < 60; ++i) {
    ask("POST", "/cam/0", block);
    stalled.push_back(connect());
    const int smallest = 1;
    ::setsockopt(stalled.back()->fd(), SOL_SOCKET, SO_RCVBUF, &smallest, sizeof smallest);
    stalled.back()->send("GET /cam/0 HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(stalled.back()->wait_for("dddd"));
    ask("DELETE", "/cam");
  }
  expect_service();
  expect_memory_under(64 * kMegabyte);
}

TEST_F(HostileClients, ManyChannelNamesAreRefusedWhenMemoryIsFull) {
  start({"--memory", "16M", "--changefeed", "--threads", "2"});
  RawClient client(relay_->port());
  std::string answer;
  int made = 0;
  for (; made < 50'000 && !answer.starts_with("HTTP/1.1 507 "); ++made) {
    client.send(fmt::format("POST /{:0>200} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", made));
    answer = client.read_answer();
  }
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 507 "));
  EXPECT_GT(made, 5000);
  expect_memory_under(16 * kMegabyte);
}

TEST_F(HostileClients, MakingAndDeletingChannelsWithoutEndTakesNoMemory) {
  start({"--memory", "32M", "--changefeed"});
  RawClient client(relay_->port());
  for (int i = 0; i < 20'000; ++i) {
    client.send(
        fmt::format("POST /{0:0>200} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
                    "DELETE /{0:0>200} HTTP/1.1\r\nHost: x\r\n\r\n",
                    i));
    ASSERT_THAT(client.read_answer(), StartsWith("HTTP/1.1 200 "));
    ASSERT_THAT(client.read_answer(), StartsWith("HTTP/1.1 200 "));
  }
  expect_service();
  expect_memory_under(32 * kMegabyte);
}

TEST_F(HostileClients, PreconnectsOfManyNumbersAndReadersOfThemTakeLittle) {
  start({"--memory", "32M"});
  ask("POST", "/cam/0", "x");
  Clients clients;
  for (int i = 1; i < 400; ++i) {
    clients.push_back(open_post(fmt::format("/cam/{}", i * 1000)));
    clients.push_back(open_get(fmt::format("/cam/{}", i * 1000)));
  }
  expect_service();
  EXPECT_EQ(dechunk(body_of(ask("GET", "/cam/0"))), "x");
  expect_memory_under(32 * kMegabyte);
  clients.clear();
  EXPECT_TRUE(relay_->becomes("/_health", "\"readers\":0,"));
}

TEST_F(HostileClients, PagesThatNobodyReadsTakeNoMemoryAndLittleTime) {
  start({"--memory", "64M"});
  RawClient maker(relay_->port());
  for (int i = 0; i < 5000; ++i) {
    maker.send(fmt::format("POST /{:0>100} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", i));
    maker.read_answer();
  }
  Clients stalled;
  for (int i = 0; i < 200; ++i) {
    stalled.push_back(connect());
    const int smallest = 1;
    ::setsockopt(stalled.back()->fd(), SOL_SOCKET, SO_RCVBUF, &smallest, sizeof smallest);
    stalled.back()->send(
        "GET /_channels HTTP/1.1\r\nHost: x\r\n\r\nGET /_channels HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  expect_service();
  expect_memory_under(64 * kMegabyte);
}

TEST_F(HostileClients, RandomBytesAreAnsweredOrClosedAndHarmNobody) {
  start({"--memory", "64M"});
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::vector<std::string> words{"GET ",
                                       "POST ",
                                       "/cam/0",
                                       " HTTP/1.1\r\n",
                                       "Host: x\r\n",
                                       "\r\n",
                                       "\r\n\r\n",
                                       "Content-Length: 5\r\n",
                                       "Transfer-Encoding: chunked\r\n",
                                       "5\r\n",
                                       "hello",
                                       "0\r\n\r\n",
                                       "Expect: 100-continue\r\n",
                                       "ffffffffffffffff\r\n",
                                       "%00%ff%2f",
                                       "-1",
                                       "DELETE /cam",
                                       "/cam/live",
                                       "Lp-Trickle-Reset: 1\r\n"};
  for (int i = 0; i < 2000; ++i) {
    RawClient client(relay_->port());
    std::string noise;
    for (size_t pieces = random() % 30; pieces > 0; --pieces) {
      if (random() % 4 != 0) {
        noise += words[random() % words.size()];
      } else {
        for (size_t length = random() % 40; length > 0; --length) noise += static_cast<char>(random());
      }
    }
    client.send(noise);
  }
  expect_service("after-the-noise");
  expect_memory_under(64 * kMegabyte);
}

TEST_F(HostileClients, ConnectionsBeyondTheLimitAreTold503AndTheRestGoesOn) {
  start({"--max-connections", "50"});
  Clients idle;
  for (int i = 0; i < 50; ++i) {
    idle.push_back(connect());
    idle.back()->send("GET /_health HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(idle.back()->read_answer(), StartsWith("HTTP/1.1 200 "));
  }
  EXPECT_THAT(connect()->read_to_end(), StartsWith("HTTP/1.1 503 "));
  idle.front()->send("GET /_health HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(idle.front()->read_answer(), StartsWith("HTTP/1.1 200 "));
  idle.clear();
  EXPECT_TRUE(relay_->becomes("/_health", "\"status\":\"ok\""));
}

}  // namespace
}  // namespace trickle
