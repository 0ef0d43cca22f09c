// The relay's HTTP/1.1 as real clients speak it, and what becomes of connections and channels that end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/relay_fixture.h"

namespace trickle {
namespace {

using ::testing::AllOf;
using testing::body_of;
using testing::dechunk;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RawClient;
using ::testing::StartsWith;

class RealClients : public testing::RelayTest {};
TRICKLE_WITH_ONE_AND_SEVERAL_THREADS(RealClients);

TEST_P(RealClients, PostWithContentLength) {
  EXPECT_THAT(
      exchange("POST /cam/0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"),
      StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(read("/cam/0"), "hello");
}

TEST_P(RealClients, PostChunkedWithExtensionsAndTrailers) {
  EXPECT_THAT(
      exchange("POST /cam/0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: Chunked\r\n"
               "Trailer: Digest\r\n\r\n5;name=\"quoted; \\\" text\";flag\r\nhello\r\n0006\r\n world\r\n"
               "0;last\r\nDigest: abc\r\n\r\n"),
      StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(read("/cam/0"), "hello world");
}

TEST_P(RealClients, ExpectContinueIsToldToGoOnAndAnEarlyAnswerInstead) {
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

TEST_P(RealClients, OneConnectionPublishesAndReadsManySegments) {
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

TEST_P(RealClients, PipelinedRequestsAreAnsweredInOrder) {
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

TEST_P(RealClients, HeadIsAnsweredWithoutABodyAndNotOnSegments) {
  ask("POST /cam");
  const std::string head = ask("HEAD /cam/next");
  EXPECT_THAT(head, AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Content-Length: 1\r\n")));
  EXPECT_EQ(body_of(head), "");
  EXPECT_THAT(ask("HEAD /cam/0"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(ask("HEAD /cam/live"), StartsWith("HTTP/1.1 405 "));
}

TEST_P(RealClients, Http10PublishesAndReadsWithoutChunks) {
  EXPECT_THAT(exchange("POST /cam/0 HTTP/1.0\r\nContent-Length: 3\r\n\r\nold"),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Connection: close\r\n")));
  const std::string answer = exchange("GET /cam/0 HTTP/1.0\r\n\r\n");
  EXPECT_THAT(answer, AllOf(Not(HasSubstr("Transfer-Encoding")), HasSubstr("Lp-Trickle-Seq: 0\r\n")));
  EXPECT_EQ(body_of(answer), "old");
}

TEST_P(RealClients, AbsoluteFormTargetsAndEscapedNamesMeanTheSame) {
  exchange(
      "POST http://proxy.example:80/c%61m/%30 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
      "1\r\n\r\nx");
  EXPECT_EQ(read("/cam/0"), "x");
  EXPECT_EQ(read("/%63am/-%32"), "x");
  EXPECT_THAT(ask("GET /a%2Fb/0"), StartsWith("HTTP/1.1 400 "));
}

TEST_P(RealClients, TheProductionBasePathIsServedAndNothingBesideIt) {
  RelayOptions options;
  options.base_path = "/ai/trickle/";
  start(options);
  EXPECT_THAT(ask("POST /ai/trickle/cam"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(body_of(ask("GET /ai/trickle/cam/next")), "0");
  for (const std::string path : {"/cam/next", "/ai/tricklecam/next", "/ai/cam/next", "/"}) {
    EXPECT_THAT(ask("GET " + path), StartsWith("HTTP/1.1 404 ")) << path;
  }
}

TEST_P(RealClients, AnIdleWaitingReaderThatClosesIsNoticed) {
  ask("POST /cam");
  {
    RawClient reader(port_);
    reader.send("GET /cam/0 HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_until("/_health", "\"readers\":1,");
  }
  wait_until("/_health", "\"readers\":0,");
}

TEST_P(RealClients, ABusyStalledReaderThatClosesIsNoticed) {
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

TEST_P(RealClients, AnIdlePreconnectAndABusyWriterThatCloseAreNoticed) {
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

TEST_P(RealClients, ATombstonedChannelStaysDeadForLatePreconnectsAndIsMadeAnew) {
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

TEST_P(RealClients, ManyReadersWaitOnOneSlotThatIsTakenOverAndAllGetItsBytes) {
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
