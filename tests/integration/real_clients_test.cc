// The relay's HTTP/1.1 as real clients speak it, and what becomes of connections and channels that end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <thread>

#include "base/log.h"
#include "http/chunk.h"
#include "http/server.h"
#include "integration/raw_client.h"
#include "trickle/relay.h"

namespace trickle {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using testing::body_of;
using testing::dechunk;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RawClient;
using ::testing::StartsWith;

class RealClients : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { ASSERT_TRUE(log::configure("real_clients", "warning", log::Format::kText)); }
  void SetUp() override { start({}); }
  void TearDown() override { stop(); }

  void start(RelayOptions options) {
    stop();
    io_ = std::make_unique<boost::asio::io_context>(1);
    relay_ = std::make_unique<Relay>(*io_, std::move(options));
    server_ = std::make_unique<http::Server>(*io_, http::ServerOptions{},
                                             [this](const auto& exchange) { relay_->handle(exchange); });
    const auto bound = server_->listen({"127.0.0.1", 0});
    ASSERT_TRUE(bound);
    port_ = bound->port;
    thread_ = std::thread([this] { io_->run(); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    server_->post([this] {
      relay_.reset();
      server_.reset();
      io_->stop();
    });
    thread_.join();
  }

  // Sends what is given on a new connection; what comes until the server closes it.
  std::string exchange(const std::string& bytes) {
    RawClient client(port_);
    client.send(bytes);
    return client.read_to_end();
  }
  std::string ask(const std::string& request_line, const std::string& headers = "") {
    return exchange(request_line + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers + "\r\n");
  }
  std::string read(const std::string& path) { return dechunk(body_of(ask("GET " + path))); }
  void wait_until(const std::string& path, const std::string& text) {
    const auto deadline = std::chrono::steady_clock::now() + RawClient::kDeadline;
    while (ask("GET " + path).find(text) == std::string::npos) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << path << " never said " << text;
    }
  }

  std::unique_ptr<boost::asio::io_context> io_;
  std::unique_ptr<Relay> relay_;
  std::unique_ptr<http::Server> server_;
  std::thread thread_;
  uint16_t port_ = 0;
};

TEST_F(RealClients, PostWithContentLength) {
  EXPECT_THAT(
      exchange("POST /cam/0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"),
      StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(read("/cam/0"), "hello");
}

TEST_F(RealClients, PostChunkedWithExtensionsAndTrailers) {
  EXPECT_THAT(
      exchange("POST /cam/0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: Chunked\r\n"
               "Trailer: Digest\r\n\r\n5;name=\"quoted; \\\" text\";flag\r\nhello\r\n0006\r\n world\r\n"
               "0;last\r\nDigest: abc\r\n\r\n"),
      StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(read("/cam/0"), "hello world");
}

TEST_F(RealClients, ExpectContinueIsToldToGoOnAndAnEarlyAnswerInstead) {
  RawClient client(port_);
  client.send("POST /cam/0 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  ASSERT_TRUE(client.wait_for("HTTP/1.1 100 Continue\r\n\r\n"));
  client.take();
  client.send("ok");
  EXPECT_THAT(client.read_answer(), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(
      exchange("POST /cam/x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
      AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("Connection: close\r\n")));
}

TEST_F(RealClients, OneConnectionPublishesAndReadsManySegments) {
  RawClient client(port_);
  for (int i = 0; i < 100; ++i) {
    const std::string text = fmt::format("segment {}", i);
    client.send(fmt::format("POST /cam/{} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}", i,
                            text.size(), text));
    ASSERT_THAT(client.read_answer(), HasSubstr(fmt::format("Lp-Trickle-Seq: {}\r\n", i)));
    client.send(fmt::format("GET /cam/{} HTTP/1.1\r\nHost: x\r\n\r\n", i));
    ASSERT_TRUE(client.wait_for("0\r\n\r\n"));
    ASSERT_EQ(dechunk(body_of(client.take())), text);
  }
}

TEST_F(RealClients, PipelinedRequestsAreAnsweredInOrder) {
  const std::string answers = exchange(
      "POST /cam/0 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na"
      "POST /cam/1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\n\r\n"
      "GET /cam/0 HTTP/1.1\r\nHost: x\r\n\r\nGET /cam/next HTTP/1.1\r\nHost: x\r\n\r\n"
      "GET /cam/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const size_t first = answers.find("1\r\na\r\n0\r\n\r\n");
  const size_t next = answers.find("\r\n\r\n2HTTP/1.1 200 ");
  const size_t last = answers.find("1\r\nb\r\n0\r\n\r\n");
  ASSERT_NE(first, std::string::npos) << answers;
  ASSERT_NE(next, std::string::npos) << answers;
  ASSERT_NE(last, std::string::npos) << answers;
  EXPECT_LT(first, next);
  EXPECT_LT(next, last);
}

TEST_F(RealClients, HeadIsAnsweredWithoutABodyAndNotOnSegments) {
  ask("POST /cam");
  const std::string head = ask("HEAD /cam/next");
  EXPECT_THAT(head, AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Content-Length: 1\r\n")));
  EXPECT_EQ(body_of(head), "");
  EXPECT_THAT(ask("HEAD /cam/0"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(ask("HEAD /cam/live"), StartsWith("HTTP/1.1 405 "));
}

TEST_F(RealClients, Http10PublishesAndReadsWithoutChunks) {
  EXPECT_THAT(exchange("POST /cam/0 HTTP/1.0\r\nContent-Length: 3\r\n\r\nold"),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Connection: close\r\n")));
  const std::string answer = exchange("GET /cam/0 HTTP/1.0\r\n\r\n");
  EXPECT_THAT(answer, AllOf(Not(HasSubstr("Transfer-Encoding")), HasSubstr("Lp-Trickle-Seq: 0\r\n")));
  EXPECT_EQ(body_of(answer), "old");
}

TEST_F(RealClients, AbsoluteFormTargetsAndEscapedNamesMeanTheSame) {
  exchange(
      "POST http://proxy.example:80/c%61m/%30 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
      "1\r\n\r\nx");
  EXPECT_EQ(read("/cam/0"), "x");
  EXPECT_EQ(read("/%63am/-%32"), "x");
  EXPECT_THAT(ask("GET /a%2Fb/0"), StartsWith("HTTP/1.1 400 "));
}

TEST_F(RealClients, TheProductionBasePathIsServedAndNothingBesideIt) {
  RelayOptions options;
  options.base_path = "/ai/trickle/";
  start(options);
  EXPECT_THAT(ask("POST /ai/trickle/cam"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(body_of(ask("GET /ai/trickle/cam/next")), "0");
  for (const std::string path : {"/cam/next", "/ai/tricklecam/next", "/ai/cam/next", "/"}) {
    EXPECT_THAT(ask("GET " + path), StartsWith("HTTP/1.1 404 ")) << path;
  }
}

TEST_F(RealClients, AnIdleWaitingReaderThatClosesIsNoticed) {
  ask("POST /cam");
  {
    RawClient reader(port_);
    reader.send("GET /cam/0 HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_until("/_health", "\"readers\":1,");
  }
  wait_until("/_health", "\"readers\":0,");
}

TEST_F(RealClients, ABusyStalledReaderThatClosesIsNoticed) {
  RawClient writer(port_);
  writer.send("POST /cam/0 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string text(1 << 20, 'b');
  for (int i = 0; i < 16; ++i) writer.send(http::Chunk(text).framed());
  {
    RawClient reader(port_);
    reader.send("GET /cam/0 HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(reader.wait_for("bbbb"));
    wait_until("/_health", "\"readers\":1,");
  }
  wait_until("/_health", "\"readers\":0,");
}

TEST_F(RealClients, AnIdlePreconnectAndABusyWriterThatCloseAreNoticed) {
  {
    RawClient preconnect(port_);
    preconnect.send("POST /cam/1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    wait_until("/_channels", "\"writer\":true");
  }
  wait_until("/_channels", "\"segments\":[]");
  {
    RawClient writer(port_);
    writer.send("POST /cam/0 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    wait_until("/_channels", "\"bytes\":3,\"writer\":true");
  }
  wait_until("/_channels", "\"bytes\":3,\"writer\":false");
}

TEST_F(RealClients, ATombstonedChannelStaysDeadForLatePreconnectsAndIsMadeAnew) {
  exchange("POST /cam/0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx");
  RawClient early(port_);
  early.send("POST /cam/1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  wait_until("/_channels", "\"writer\":true");
  EXPECT_THAT(ask("DELETE /cam"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(early.read_to_end(), HasSubstr("Lp-Trickle-Closed: terminated\r\n"));
  for (const char* number : {"1", "2", "17"}) {
    EXPECT_THAT(exchange(fmt::format("POST /cam/{} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
                                     number)),
                AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("Connection: close\r\n")));
    EXPECT_THAT(ask("GET /cam/next"), StartsWith("HTTP/1.1 404 "));
  }
  EXPECT_THAT(ask("POST /cam"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(body_of(ask("GET /cam/next")), "0");
}

TEST_F(RealClients, ManyReadersWaitOnOneSlotThatIsTakenOverAndAllGetItsBytes) {
  ask("POST /cam");
  std::vector<std::unique_ptr<RawClient>> readers;
  for (int i = 0; i < 20; ++i) {
    readers.push_back(std::make_unique<RawClient>(port_));
    readers.back()->send("GET /cam/0 HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  wait_until("/_health", "\"readers\":20,");
  RawClient first(port_);
  first.send("POST /cam/0 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  wait_until("/_channels", "\"writer\":true");
  RawClient second(port_);
  second.send("POST /cam/0 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nslot");
  EXPECT_THAT(second.read_answer(), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(first.read_to_end(), StartsWith("HTTP/1.1 409 "));
  for (auto& reader : readers) {
    ASSERT_TRUE(reader->wait_for("0\r\n\r\n"));
    EXPECT_EQ(dechunk(body_of(reader->take())), "slot");
  }
}

}  // namespace
}  // namespace trickle
