// What the relay answers, request by request, behind the real server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/relay_fixture.h"

namespace trickle {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using testing::body_of;
using testing::dechunk;
using ::testing::HasSubstr;
using testing::head_of;
using ::testing::Not;
using testing::RawClient;
using ::testing::StartsWith;

class RelayOverHttp : public testing::RelayTest {};
TRICKLE_WITH_ONE_AND_SEVERAL_THREADS(RelayOverHttp);

TEST_P(RelayOverHttp, CreatesWritesReadsAndDeletes) {
  EXPECT_THAT(ask("POST /cam", "Expect-Content: video/mp2t\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(body_of(ask("GET /cam/next")), "0");
  EXPECT_THAT(post("/cam/0", "hello"), HasSubstr("Lp-Trickle-Seq: 0\r\n"));
  const std::string next = ask("GET /cam/next");
  EXPECT_EQ(body_of(next), "1");
  EXPECT_THAT(next, HasSubstr("Lp-Trickle-Latest: 1\r\n"));
  const std::string got = ask("GET /cam/-2");
  EXPECT_THAT(head_of(got),
              AllOf(HasSubstr("Lp-Trickle-Seq: 0\r\n"), HasSubstr("Lp-Trickle-Latest: 1\r\n"),
                    HasSubstr("Lp-Trickle-Size: 5\r\n"), HasSubstr("Content-Type: video/mp2t\r\n")));
  EXPECT_EQ(dechunk(body_of(got)), "hello");
  EXPECT_THAT(ask("DELETE /cam"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask("GET /cam/0"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(ask("DELETE /cam"), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("Invalid stream\n")));
}

TEST_P(RelayOverHttp, HandsBytesOnWhileTheyArrive) {
  ask("POST /cam");
  auto reader = open_get("/cam/0");
  wait_for_readers(1);
  auto writer = open_post("/cam/0");
  writer->send(chunk("first"));
  ASSERT_TRUE(reader->wait_for("5\r\nfirst\r\n"));
  const std::string head = reader->take();
  EXPECT_THAT(head, AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("Lp-Trickle-Seq: 0\r\n")));
  EXPECT_THAT(head, Not(HasSubstr("Latest")));
  writer->send(chunk("second"));
  ASSERT_TRUE(reader->wait_for("6\r\nsecond\r\n"));
  writer->send(kEnd);
  EXPECT_THAT(writer->read_answer(), AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Lp-Trickle-Seq: 0\r\n"),
                                           Not(HasSubstr("Connection: close"))));
  ASSERT_TRUE(reader->wait_for("0\r\n\r\n"));
  // Both connections go on.
  writer->send("POST /cam/1 HTTP/1.1\r\nHost: relay\r\nContent-Length: 1\r\n\r\nx");
  EXPECT_THAT(writer->read_answer(), HasSubstr("Lp-Trickle-Seq: 1\r\n"));
  reader->take();
  reader->send("GET /cam/1 HTTP/1.1\r\nHost: relay\r\n\r\n");
  EXPECT_TRUE(reader->wait_for("1\r\nx\r\n0\r\n\r\n"));
}

TEST_P(RelayOverHttp, WaitsForTheNextSegmentAndKnowsWhatIsNotThere) {
  post("/cam/0", "x");
  const std::string missing = ask("GET /cam/7");
  EXPECT_THAT(missing, AllOf(StartsWith("HTTP/1.1 470 "), HasSubstr("Lp-Trickle-Latest: 1\r\n"),
                             HasSubstr("Lp-Trickle-Seq: 7\r\n"), HasSubstr("\r\n\r\nEntry not found\n")));
  auto reader = open_get("/cam/-1");
  wait_for_readers(1);
  EXPECT_TRUE(reader->quiet());
  post("/cam/1", "one");
  EXPECT_TRUE(reader->wait_for("3\r\none\r\n0\r\n\r\n"));
}

TEST_P(RelayOverHttp, AnEmptySegmentIsAnEmptyAnswerAndNotTheEnd) {
  ask("POST /cam");
  auto reader = open_get("/cam/0");
  wait_for_readers(1);
  auto writer = open_post("/cam/0");
  writer->send(kEnd);
  EXPECT_THAT(writer->read_answer(), AllOf(HasSubstr("Lp-Trickle-Seq: 0\r\n"),
                                           HasSubstr("Connection: close\r\n"), Not(HasSubstr("Closed"))));
  EXPECT_THAT(reader->read_answer(), AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Lp-Trickle-Seq: 0\r\n"),
                                           HasSubstr("Lp-Trickle-Latest: 1\r\n"),
                                           HasSubstr("Content-Length: 0"), Not(HasSubstr("Closed"))));
}

TEST_P(RelayOverHttp, KeepsAPreconnectCompany) {
  RelayOptions options;
  options.interim_interval = 20ms;
  start(options);
  auto writer = open_post("/cam/0");
  ASSERT_TRUE(writer->wait_for("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"));
  writer->send(chunk("x") + std::string(kEnd));
  ASSERT_TRUE(writer->wait_for("HTTP/1.1 200 OK"));
}

TEST_P(RelayOverHttp, DeletingASegmentAnswersItsPreconnect) {
  ask("POST /cam");
  auto writer = open_post("/cam/0");
  wait_for_writer(0);
  EXPECT_THAT(ask("DELETE /cam/0"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(writer->read_to_end(), AllOf(HasSubstr("Lp-Trickle-Seq: 0\r\n"),
                                           HasSubstr("Connection: close\r\n"), Not(HasSubstr("Closed"))));
  EXPECT_THAT(ask("DELETE /cam/5"), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("Nonexistent segment\n")));
  EXPECT_THAT(ask("DELETE /other/5"), StartsWith("HTTP/1.1 404 "));
}

TEST_P(RelayOverHttp, ReadsFromTheEndAndTheOldest) {
  for (int i = 0; i < 7; ++i) post(cam(i), std::string("s").append(std::to_string(i)));
  EXPECT_EQ(dechunk(body_of(ask("GET /cam/-3"))), "s5");
  EXPECT_EQ(dechunk(body_of(ask("GET /cam/-6"))), "s2");
  EXPECT_THAT(ask("GET /cam/-7"), AllOf(StartsWith("HTTP/1.1 470 "), HasSubstr("Lp-Trickle-Seq: -7\r\n")));
  EXPECT_EQ(dechunk(body_of(ask("GET /cam/oldest"))), "s2");
}

TEST_P(RelayOverHttp, RefusesChannelsThatMayNotBeMadeBeforeTheBodyIsComplete) {
  RelayOptions options;
  options.autocreate = false;
  options.channels = {"given"};
  start(options);
  auto writer = open_post("/cam/0");
  EXPECT_THAT(writer->read_to_end(), AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("Connection: close\r\n"),
                                           HasSubstr("Stream not found\n")));
  EXPECT_THAT(ask("POST /cam"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(ask("POST /given"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(post("/given/0", "x"), StartsWith("HTTP/1.1 200 "));
}

TEST_P(RelayOverHttp, PublishesChangesOfItsChannels) {
  RelayOptions options;
  options.changefeed = true;
  start(options);
  auto feed = open_get("/_changes/0");
  ask("POST /cam");
  ASSERT_TRUE(feed->wait_for("{\"added\":[\"cam\"]}\r\n0\r\n\r\n"));
  EXPECT_THAT(feed->take(), HasSubstr("Content-Type: application/json\r\n"));
  feed->send("GET /_changes/1 HTTP/1.1\r\nHost: relay\r\n\r\n");
  ask("DELETE /cam");
  ASSERT_TRUE(feed->wait_for("{\"removed\":[\"cam\"]}\r\n0\r\n\r\n"));
}

TEST_P(RelayOverHttp, ReservedNamesCannotBeWrittenOrDeleted) {
  RelayOptions options;
  options.changefeed = true;
  start(options);
  for (const std::string name : {"_changes", "_channels", "_health", "_metrics"}) {
    EXPECT_THAT(ask("POST /" + name), StartsWith("HTTP/1.1 405 ")) << name;
    EXPECT_THAT(ask("DELETE /" + name), StartsWith("HTTP/1.1 405 ")) << name;
    EXPECT_THAT(post("/" + name + "/0", "x"), StartsWith("HTTP/1.1 405 ")) << name;
  }
}

TEST_P(RelayOverHttp, AnswersWhatItDoesNotDoWithWhatItDoes) {
  post("/cam/0", "x");
  EXPECT_THAT(ask("PUT /cam/0"),
              AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET, POST, DELETE\r\n")));
  EXPECT_THAT(ask("HEAD /cam/0"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(ask("HEAD /cam/live"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(ask("GET /cam"), AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: POST, DELETE\r\n")));
  const std::string head = ask("HEAD /cam/next");
  EXPECT_THAT(head, AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Lp-Trickle-Latest: 1\r\n")));
  EXPECT_EQ(body_of(head), "");
  EXPECT_THAT(ask("HEAD /_health"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask("GET /a/b/c"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(ask("GET /a%2Fb/0"), StartsWith("HTTP/1.1 400 "));
}

TEST_P(RelayOverHttp, ServesUnderItsBasePath) {
  RelayOptions options;
  options.base_path = "/ai/trickle/";
  start(options);
  EXPECT_THAT(post("/ai/trickle/cam/0", "x"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(post("/cam/0", "x"), StartsWith("HTTP/1.1 404 "));
}

TEST_P(RelayOverHttp, LiveIsOneBodyOverManySegments) {
  post("/cam/0", "before");
  post("/cam/1", "one");
  auto live = open_get("/cam/live");
  ASSERT_TRUE(live->wait_for("one"));
  auto writer = open_post("/cam/2");
  writer->send(chunk("two"));
  ASSERT_TRUE(live->wait_for("two"));
  writer->send(chunk("more") + std::string(kEnd));
  ASSERT_TRUE(live->wait_for("more"));
  auto empty = open_post("/cam/3");
  empty->send(kEnd);
  empty->read_answer();
  post("/cam/7", "seven");
  ASSERT_TRUE(live->wait_for("seven"));
  ask("DELETE /cam");
  ASSERT_TRUE(live->wait_for("0\r\n\r\n"));
  EXPECT_EQ(dechunk(body_of(live->take())), "onetwomoreseven");
}

TEST_P(RelayOverHttp, LiveWaitsForTheFirstByte) {
  ask("POST /cam", "Expect-Content: video/mp2t\r\n");
  auto live = open_get("/cam/live");
  wait_for_readers(1);
  EXPECT_TRUE(live->quiet());
  post("/cam/0", "zero");
  ASSERT_TRUE(live->wait_for("zero"));
  EXPECT_THAT(live->take(), HasSubstr("Content-Type: video/mp2t\r\n"));
  EXPECT_THAT(ask("GET /none/live"), StartsWith("HTTP/1.1 404 "));
}

TEST_P(RelayOverHttp, ManyReadersGetEveryByteInOrder) {
  ask("POST /cam");
  constexpr int kReaders = 50;
  constexpr int kSegments = 20;
  std::vector<std::unique_ptr<RawClient>> readers;
  for (int i = 0; i < kReaders; ++i) readers.push_back(open_get("/cam/0"));
  wait_for_readers(kReaders);
  for (int segment = 0; segment < kSegments; ++segment) {
    auto writer = open_post(cam(segment));
    std::string sent;
    for (int piece = 0; piece < 10; ++piece) {
      const std::string text(997, static_cast<char>('a' + (segment + piece) % 26));
      sent += text;
      writer->send(chunk(text));
    }
    writer->send(kEnd);
    for (auto& reader : readers) {
      ASSERT_TRUE(reader->wait_for("\r\n0\r\n\r\n"));
      ASSERT_EQ(dechunk(body_of(reader->take())), sent);
      reader->send("GET " + cam(segment + 1) + " HTTP/1.1\r\nHost: relay\r\n\r\n");
    }
  }
}

}  // namespace
}  // namespace trickle
