// The relay behind the real server, spoken to byte by byte.
#include "trickle/relay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <future>
#include <thread>

#include "base/log.h"
#include "integration/raw_client.h"

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

std::string chunk(std::string_view text) { return std::string(http::Chunk(text).framed()); }
std::string cam(int number) { return std::string("/cam/").append(std::to_string(number)); }
constexpr std::string_view kEnd = "0\r\n\r\n";

class RelayOverHttp : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { ASSERT_TRUE(log::configure("relay_test", "warning", log::Format::kText)); }
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

  // One request on a connection of its own; the whole answer.
  std::string ask(const std::string& request_line, const std::string& headers = "",
                  const std::string& body = "") {
    RawClient client(port_);
    std::string request = request_line + " HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n" + headers;
    if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    client.send(request + "\r\n" + body);
    return client.read_to_end();
  }
  std::string post(const std::string& path, const std::string& body) {
    return ask("POST " + path, "Content-Type: video/mp2t\r\n", body);
  }

  // A POST whose head is sent and whose body is up to the test.
  std::unique_ptr<RawClient> open_post(const std::string& path, const std::string& headers = "") {
    auto client = std::make_unique<RawClient>(port_);
    client->send("POST " + path + " HTTP/1.1\r\nHost: relay\r\nTransfer-Encoding: chunked\r\n" + headers +
                 "\r\n");
    return client;
  }
  std::unique_ptr<RawClient> open_get(const std::string& path) {
    auto client = std::make_unique<RawClient>(port_);
    client->send("GET " + path + " HTTP/1.1\r\nHost: relay\r\n\r\n");
    return client;
  }

  // What the relay knows is asked until it is so: requests on other connections have no order among each
  // other.
  void wait_until(const std::string& path, const std::string& text) {
    const auto deadline = std::chrono::steady_clock::now() + RawClient::kDeadline;
    std::string answer;
    do {
      answer = ask("GET " + path);
      if (answer.find(text) != std::string::npos) return;
    } while (std::chrono::steady_clock::now() < deadline);
    FAIL() << path << " never said " << text << " but " << answer;
  }
  void wait_for_readers(int count) { wait_until("/_health", "\"readers\":" + std::to_string(count) + ","); }
  void wait_for_writer(int seq) {
    wait_until("/_channels",
               fmt::format("\"seq\":{},\"state\":\"waiting\",\"bytes\":0,\"writer\":true", seq));
  }

  std::unique_ptr<boost::asio::io_context> io_;
  std::unique_ptr<Relay> relay_;
  std::unique_ptr<http::Server> server_;
  std::thread thread_;
  uint16_t port_ = 0;
};

TEST_F(RelayOverHttp, CreatesWritesReadsAndDeletes) {
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

TEST_F(RelayOverHttp, HandsBytesOnWhileTheyArrive) {
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

TEST_F(RelayOverHttp, PitfallLastBytesThatComeTogetherWithTheEndArrive) {
  ask("POST /cam");
  for (int i = 0; i < 50; ++i) {
    const std::string path = cam(i);
    auto reader = open_get(path);
    wait_for_readers(1);
    auto writer = open_post(path);
    writer->send(chunk("begin"));
    ASSERT_TRUE(reader->wait_for("begin"));
    writer->send(chunk("last") + std::string(kEnd));
    ASSERT_TRUE(reader->wait_for("0\r\n\r\n"));
    EXPECT_EQ(dechunk(body_of(reader->take())), "beginlast");
  }
}

TEST_F(RelayOverHttp, WaitsForTheNextSegmentAndKnowsWhatIsNotThere) {
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

TEST_F(RelayOverHttp, AnEmptySegmentIsAnEmptyAnswerAndNotTheEnd) {
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

TEST_F(RelayOverHttp, KeepsAPreconnectCompany) {
  RelayOptions options;
  options.interim_interval = 20ms;
  start(options);
  auto writer = open_post("/cam/0");
  ASSERT_TRUE(writer->wait_for("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"));
  writer->send(chunk("x") + std::string(kEnd));
  ASSERT_TRUE(writer->wait_for("HTTP/1.1 200 OK"));
}

TEST_F(RelayOverHttp, PitfallPreconnectsAndReadersAreReleasedWhenTheChannelCloses) {
  post("/cam/0", "x");
  auto writer = open_post("/cam/1");
  wait_for_writer(1);
  auto reader = open_get("/cam/1");
  wait_for_readers(1);
  ask("DELETE /cam");
  EXPECT_THAT(writer->read_to_end(),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Lp-Trickle-Seq: 1\r\n"),
                    HasSubstr("Lp-Trickle-Closed: terminated\r\n"), HasSubstr("Connection: close\r\n")));
  EXPECT_THAT(reader->read_answer(),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Lp-Trickle-Closed: terminated\r\n")));
}

TEST_F(RelayOverHttp, DeletingASegmentAnswersItsPreconnect) {
  ask("POST /cam");
  auto writer = open_post("/cam/0");
  wait_for_writer(0);
  EXPECT_THAT(ask("DELETE /cam/0"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(writer->read_to_end(), AllOf(HasSubstr("Lp-Trickle-Seq: 0\r\n"),
                                           HasSubstr("Connection: close\r\n"), Not(HasSubstr("Closed"))));
  EXPECT_THAT(ask("DELETE /cam/5"), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("Nonexistent segment\n")));
  EXPECT_THAT(ask("DELETE /other/5"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(RelayOverHttp, PitfallAPostThatSurvivesItsChannelIsToldSo) {
  auto writer = open_post("/cam/0");
  writer->send(chunk("abc"));
  wait_until("/_channels", "\"bytes\":3");
  ask("DELETE /cam");
  EXPECT_THAT(writer->read_to_end(), HasSubstr("Lp-Trickle-Closed: terminated\r\n"));
}

TEST_F(RelayOverHttp, PitfallALatePreconnectDoesNotBringTheChannelBack) {
  post("/cam/0", "x");
  ask("DELETE /cam");
  auto late = open_post("/cam/1");
  EXPECT_THAT(late->read_to_end(), AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("Connection: close\r\n")));
  EXPECT_THAT(ask("GET /cam/next"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(RelayOverHttp, WhoComesAfterTheEndOfAChannelIsToldSoAndHowFarItWent) {
  for (int i = 0; i < 3; ++i) post("/cam/" + std::to_string(i), "x");
  ask("DELETE /cam");
  EXPECT_THAT(ask("GET /cam/1"),
              AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("Lp-Trickle-Closed: terminated\r\n"),
                    HasSubstr("Lp-Trickle-Latest: 3\r\n")));
}

TEST_F(RelayOverHttp, PitfallOddNumbersAreRefusedAndTheChannelLivesOn) {
  post("/cam/0", "x");
  for (const std::string odd :
       {"0x1", "", "9223372036854775807", "-9223372036854775808", "1.5", "abc", "%20", "+1"}) {
    for (const std::string method : {"GET", "POST", "DELETE"}) {
      EXPECT_THAT(ask(method + " /cam/" + odd),
                  AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("Invalid idx\n")))
          << method << " " << odd;
    }
  }
  EXPECT_THAT(ask("POST /cam/-2"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(ask("DELETE /cam/-1"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(ask("GET /cam/-7"), StartsWith("HTTP/1.1 470 "));
  EXPECT_THAT(ask("POST /cam/next"), StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(dechunk(body_of(ask("GET /cam/0"))), "x");
  EXPECT_THAT(ask("POST /new/0x1"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(ask("GET /new/next"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(RelayOverHttp, ReadsFromTheEndAndTheOldest) {
  for (int i = 0; i < 7; ++i) post(cam(i), std::string("s").append(std::to_string(i)));
  EXPECT_EQ(dechunk(body_of(ask("GET /cam/-3"))), "s5");
  EXPECT_EQ(dechunk(body_of(ask("GET /cam/-6"))), "s2");
  EXPECT_THAT(ask("GET /cam/-7"), AllOf(StartsWith("HTTP/1.1 470 "), HasSubstr("Lp-Trickle-Seq: -7\r\n")));
  EXPECT_EQ(dechunk(body_of(ask("GET /cam/oldest"))), "s2");
}

TEST_F(RelayOverHttp, PitfallItNoticesThatAReaderLeft) {
  ask("POST /cam");
  {
    auto waiting = open_get("/cam/0");
    wait_for_readers(1);
  }
  wait_for_readers(0);
  auto writer = open_post("/cam/0");
  writer->send(chunk("x"));
  {
    auto reading = open_get("/cam/0");
    ASSERT_TRUE(reading->wait_for("1\r\nx\r\n"));
    wait_for_readers(1);
  }
  wait_for_readers(0);
}

TEST_F(RelayOverHttp, AVanishedPublishersSegmentGoesOnWhereItBroke) {
  auto first = open_post("/cam/0");
  first->send(chunk("abc"));
  auto reader = open_get("/cam/0");
  wait_until("/_channels", "\"bytes\":3");
  first->close();
  wait_until("/_channels", "\"state\":\"open\",\"bytes\":3,\"writer\":false");
  auto second = open_post("/cam/0");
  second->send(chunk("def") + std::string(kEnd));
  ASSERT_TRUE(reader->wait_for("0\r\n\r\n"));
  EXPECT_EQ(dechunk(body_of(reader->take())), "abcdef");
}

TEST_F(RelayOverHttp, AnOlderWriterIsToldThatANewerTookOver) {
  auto older = open_post("/cam/0");
  older->send(chunk("old"));
  wait_until("/_channels", "\"bytes\":3");
  auto newer = open_post("/cam/0");
  EXPECT_THAT(older->read_to_end(), AllOf(StartsWith("HTTP/1.1 409 "), HasSubstr("Connection: close\r\n")));
  newer->send(chunk("new") + std::string(kEnd));
  EXPECT_THAT(newer->read_answer(), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(dechunk(body_of(ask("GET /cam/0"))), "oldnew");
}

TEST_F(RelayOverHttp, ACompletePostIsNotReadAgain) {
  post("/cam/0", "once");
  auto again = open_post("/cam/0");
  EXPECT_THAT(again->read_to_end(), AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Lp-Trickle-Seq: 0\r\n")));
  EXPECT_EQ(dechunk(body_of(ask("GET /cam/0"))), "once");
  EXPECT_THAT(ask("GET /_health"), HasSubstr("\"late_posts\":1"));
}

TEST_F(RelayOverHttp, ResetReleasesReadersOfOlderSegments) {
  auto dead = open_post("/cam/0");
  dead->send(chunk("dead"));
  auto reader = open_get("/cam/0");
  ASSERT_TRUE(reader->wait_for("dead"));
  post("/cam/1", "");
  auto fresh = open_post("/cam/1", "Lp-Trickle-Reset: 1\r\n");
  ASSERT_TRUE(reader->wait_for("0\r\n\r\n"));
  EXPECT_EQ(dechunk(body_of(reader->take())), "dead");
}

TEST_F(RelayOverHttp, RefusesChannelsThatMayNotBeMadeBeforeTheBodyIsComplete) {
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

TEST_F(RelayOverHttp, ASegmentOverItsCapIsRefusedAndKeepsWhatItHas) {
  RelayOptions options;
  options.max_segment_bytes = 1000;
  start(options);
  auto writer = open_post("/cam/0");
  writer->send(chunk(std::string(1000, 'a')));
  wait_until("/_channels", "\"bytes\":1000");
  writer->send(chunk("one too many"));
  EXPECT_THAT(writer->read_to_end(), AllOf(StartsWith("HTTP/1.1 413 "), HasSubstr("Connection: close\r\n")));
  EXPECT_EQ(dechunk(body_of(ask("GET /cam/0"))), std::string(1000, 'a'));
}

TEST_F(RelayOverHttp, AnEvictedReaderIsCutOffWithoutTheEndMark) {
  auto writer = open_post("/cam/0");
  writer->send(chunk("part"));
  auto reader = open_get("/cam/0");
  ASSERT_TRUE(reader->wait_for("part"));
  for (int i = 1; i < 7; ++i) post(cam(i), "x");
  EXPECT_EQ(dechunk(body_of(reader->read_to_end())), "(not whole)");
  EXPECT_THAT(ask("GET /cam/0"), AllOf(StartsWith("HTTP/1.1 470 "), HasSubstr("Lp-Trickle-Latest: 7\r\n")));
}

TEST_F(RelayOverHttp, PitfallAStalledReaderHoldsNobodyUpAndIsCutOff) {
  auto writer = open_post("/cam/0");
  const std::string megabyte(1 << 20, 'm');
  writer->send(chunk("x"));
  auto stalled = open_get("/cam/0");
  ASSERT_TRUE(stalled->wait_for("\r\nx\r\n"));
  auto quick = open_get("/cam/0");
  for (int i = 0; i < 20; ++i) writer->send(chunk(megabyte));
  writer->send(kEnd);
  ASSERT_TRUE(quick->wait_for("\r\n0\r\n\r\n"));
  EXPECT_EQ(dechunk(body_of(quick->take())).size(), 1 + 20 * megabyte.size());
  EXPECT_THAT(writer->read_answer(), StartsWith("HTTP/1.1 200 "));
  for (int i = 1; i < 7; ++i) post(cam(i), "x");
  EXPECT_EQ(dechunk(body_of(stalled->read_to_end())), "(not whole)");
  wait_for_readers(0);
}

TEST_F(RelayOverHttp, PublishesChangesOfItsChannels) {
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

TEST_F(RelayOverHttp, ReservedNamesCannotBeWrittenOrDeleted) {
  RelayOptions options;
  options.changefeed = true;
  start(options);
  for (const std::string name : {"_changes", "_channels", "_health", "_metrics"}) {
    EXPECT_THAT(ask("POST /" + name), StartsWith("HTTP/1.1 405 ")) << name;
    EXPECT_THAT(ask("DELETE /" + name), StartsWith("HTTP/1.1 405 ")) << name;
    EXPECT_THAT(post("/" + name + "/0", "x"), StartsWith("HTTP/1.1 405 ")) << name;
  }
}

TEST_F(RelayOverHttp, AnswersWhatItDoesNotDoWithWhatItDoes) {
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

TEST_F(RelayOverHttp, ServesUnderItsBasePath) {
  RelayOptions options;
  options.base_path = "/ai/trickle/";
  start(options);
  EXPECT_THAT(post("/ai/trickle/cam/0", "x"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(post("/cam/0", "x"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(RelayOverHttp, LiveIsOneBodyOverManySegments) {
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

TEST_F(RelayOverHttp, LiveWaitsForTheFirstByte) {
  ask("POST /cam", "Expect-Content: video/mp2t\r\n");
  auto live = open_get("/cam/live");
  wait_for_readers(1);
  EXPECT_TRUE(live->quiet());
  post("/cam/0", "zero");
  ASSERT_TRUE(live->wait_for("zero"));
  EXPECT_THAT(live->take(), HasSubstr("Content-Type: video/mp2t\r\n"));
  EXPECT_THAT(ask("GET /none/live"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(RelayOverHttp, EndsIdleChannels) {
  RelayOptions options;
  options.idle_timeout = 100ms;
  start(options);
  ask("POST /cam");
  auto reader = open_get("/cam/0");
  EXPECT_THAT(reader->read_answer(), HasSubstr("Lp-Trickle-Closed: terminated\r\n"));
  EXPECT_THAT(ask("GET /cam/next"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(RelayOverHttp, ShutdownTellsReadersAndLetsAWriterEnd) {
  RelayOptions options;
  options.changefeed = true;
  start(options);
  auto writer = open_post("/cam/0");
  writer->send(chunk("abc"));
  auto reader = open_get("/cam/0");
  ASSERT_TRUE(reader->wait_for("abc"));
  auto waiting = open_get("/cam/1");
  auto feed = open_get("/_changes/1");
  wait_for_readers(3);
  std::promise<void> done;
  server_->post([&] { relay_->shutdown(20s, [&] { done.set_value(); }); });
  EXPECT_THAT(waiting->read_answer(), HasSubstr("Lp-Trickle-Closed: terminated\r\n"));
  ASSERT_TRUE(feed->wait_for("{\"removed\":[\"cam\"]}"));
  writer->send(chunk("def") + std::string(kEnd));
  EXPECT_THAT(writer->read_answer(), HasSubstr("Lp-Trickle-Closed: terminated\r\n"));
  ASSERT_TRUE(reader->wait_for("0\r\n\r\n"));
  EXPECT_EQ(dechunk(body_of(reader->take())), "abcdef");
  EXPECT_EQ(done.get_future().wait_for(20s), std::future_status::ready);
}

TEST_F(RelayOverHttp, ShutdownWaitsNoLongerThanItsDrainTime) {
  auto writer = open_post("/cam/0");
  writer->send(chunk("abc"));
  wait_until("/_channels", "\"bytes\":3");
  std::promise<void> done;
  server_->post([&] { relay_->shutdown(50ms, [&] { done.set_value(); }); });
  EXPECT_EQ(done.get_future().wait_for(20s), std::future_status::ready);
  EXPECT_THAT(writer->read_to_end(), HasSubstr("Lp-Trickle-Closed: terminated\r\n"));
}

TEST_F(RelayOverHttp, ManyReadersGetEveryByteInOrder) {
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
