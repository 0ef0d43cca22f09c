// The HTTP server's edge, over real loopback connections.
#include "http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "integration/server_thread.h"

namespace trickle::http {
namespace {

using namespace std::chrono_literals;
using testing::body_of;
using testing::dechunk;
using ::testing::HasSubstr;
using testing::head_of;
using ::testing::Not;
using testing::RawClient;
using ::testing::StartsWith;

class HttpServer : public ::testing::Test {
 protected:
  void start(Handler handler, ServerOptions options = {}) {
    server_ = std::make_unique<testing::ServerThread<Server>>(options, std::move(handler));
    port_ = server_->port();
  }

  static void echo_path(const std::shared_ptr<Exchange>& exchange) {
    exchange->respond({.body = exchange->head().method + " " + exchange->head().path});
  }

  static void echo_body(const std::shared_ptr<Exchange>& exchange) {
    exchange->read_body(1 << 20, [exchange](Result<std::string> body) {
      if (body) return exchange->respond({.body = *body});
      exchange->respond({.status = 413, .body = body.error().message()});
    });
  }

  std::unique_ptr<testing::ServerThread<Server>> server_;
  uint16_t port_ = 0;
};

TEST_F(HttpServer, AnswersManyRequestsOnOneConnection) {
  start(echo_path);
  RawClient client(port_);
  for (int i = 0; i < 100; ++i) {
    client.send("GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string answer = client.read_answer();
    ASSERT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    ASSERT_EQ(body_of(answer), "GET /" + std::to_string(i));
  }
}

TEST_F(HttpServer, AnswersPipelinedRequestsInOrder) {
  start([](const std::shared_ptr<Exchange>& exchange) {
    // Answered later, so that the next request waits in the connection.
    exchange->post([exchange] { echo_path(exchange); });
  });
  RawClient client(port_);
  client.send(
      "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\nGET /c HTTP/1.1\r\nHost: "
      "x\r\n\r\n");
  EXPECT_EQ(body_of(client.read_answer()), "GET /a");
  EXPECT_EQ(body_of(client.read_answer()), "GET /b");
  EXPECT_EQ(body_of(client.read_answer()), "GET /c");
}

TEST_F(HttpServer, ReadsPipelinedBodiesOfBothKinds) {
  start(echo_body);
  RawClient client(port_);
  client.send(
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3;ext=\"v\"\r\nabc\r\n4\r\ndefg\r\n0\r\nTrailer: "
      "t\r\n\r\n"
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(body_of(client.read_answer()), "hello");
  EXPECT_EQ(body_of(client.read_answer()), "abcdefg");
  EXPECT_EQ(body_of(client.read_answer()), "");
}

TEST_F(HttpServer, ReadsARequestThatComesByteByByte) {
  start(echo_body);
  RawClient client(port_);
  for (const char c : std::string("\r\nPOST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "5\r\nhello\r\n0\r\n\r\n")) {
    client.send({&c, 1});
  }
  EXPECT_EQ(body_of(client.read_answer()), "hello");
}

TEST_F(HttpServer, TellsAClientThatExpectsItToContinue) {
  start(echo_body);
  RawClient client(port_);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_TRUE(client.wait_for("HTTP/1.1 100 Continue\r\n\r\n"));
  client.take();
  client.send("ok");
  EXPECT_EQ(body_of(client.read_answer()), "ok");
}

TEST_F(HttpServer, SendsInterimAnswersAsOftenAsAsked) {
  start([](const std::shared_ptr<Exchange>& exchange) {
    for (int i = 0; i < 3; ++i) exchange->send_continue();
    echo_body(exchange);
  });
  RawClient client(port_);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n");
  ASSERT_TRUE(client.wait_for(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"));
  client.send("ok");
  EXPECT_TRUE(client.wait_for("HTTP/1.1 200 OK"));
}

TEST_F(HttpServer, AnswersHeadWithoutABodyAndKeepsTheConnection) {
  start(echo_path);
  RawClient client(port_);
  client.send("HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(client.wait_for("\r\n\r\n"));
  const std::string answer = client.take();
  EXPECT_THAT(answer, HasSubstr("Content-Length: 7\r\n"));
  EXPECT_EQ(body_of(answer), "");
  client.send("GET /y HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(body_of(client.read_answer()), "GET /y");
}

TEST_F(HttpServer, ClosesAfterAnHttp10RequestUnlessAskedToKeepIt) {
  start(echo_path);
  RawClient once(port_);
  once.send("GET /x HTTP/1.0\r\n\r\n");
  EXPECT_THAT(once.read_to_end(), HasSubstr("Connection: close\r\n"));
  RawClient kept(port_);
  for (int i = 0; i < 2; ++i) {
    kept.send("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_THAT(kept.read_answer(), HasSubstr("Connection: keep-alive\r\n"));
  }
}

TEST_F(HttpServer, StreamsToHttp10WithoutChunks) {
  start([](const std::shared_ptr<Exchange>& exchange) {
    exchange->start_stream(200, {});
    exchange->write(std::make_shared<const std::string>("one"), {});
    exchange->write(std::make_shared<const std::string>("two"), {});
    exchange->finish_stream();
  });
  RawClient client(port_);
  client.send("GET /x HTTP/1.0\r\n\r\n");
  const std::string answer = client.read_to_end();
  EXPECT_THAT(head_of(answer), Not(HasSubstr("Transfer-Encoding")));
  EXPECT_EQ(body_of(answer), "onetwo");
}

TEST_F(HttpServer, StreamsPiecesAsTheyComeAndKeepsTheConnection) {
  std::promise<std::shared_ptr<Exchange>> streaming;
  start([&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->head().path != "/stream") return echo_path(exchange);
    exchange->start_stream(200, {{"Content-Type", "text/plain"}});
    streaming.set_value(exchange);
  });
  RawClient client(port_);
  client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto exchange = streaming.get_future().get();
  ASSERT_TRUE(client.wait_for("\r\n\r\n"));
  exchange->post([&] { exchange->write(std::make_shared<const std::string>("first"), {}); });
  ASSERT_TRUE(client.wait_for("5\r\nfirst\r\n"));
  std::promise<void> written;
  exchange->post([&] {
    exchange->write(std::make_shared<const std::string>("second"), [&] { written.set_value(); });
    exchange->finish_stream();
  });
  written.get_future().wait();
  ASSERT_TRUE(client.wait_for("0\r\n\r\n"));
  EXPECT_EQ(dechunk(body_of(client.take())), "firstsecond");
  client.send("GET /after HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(body_of(client.read_answer()), "GET /after");
}

TEST_F(HttpServer, ALargeStreamArrivesWholeWhileItsReaderIsSlow) {
  const auto piece = std::make_shared<const std::string>(100'000, 'p');
  start([&](const std::shared_ptr<Exchange>& exchange) {
    exchange->start_stream(200, {});
    for (int i = 0; i < 200; ++i) exchange->write(piece, {});
    exchange->finish_stream();
  });
  RawClient client(port_);
  client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(dechunk(body_of(client.read_to_end())), std::string(20'000'000, 'p'));
}

TEST_F(HttpServer, AnAbortedStreamLacksTheEndMark) {
  start([](const std::shared_ptr<Exchange>& exchange) {
    exchange->start_stream(200, {});
    exchange->write(std::make_shared<const std::string>("part"), {});
    exchange->abort();
  });
  RawClient client(port_);
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string answer = client.read_to_end();
  EXPECT_THAT(answer, HasSubstr("4\r\npart\r\n"));
  EXPECT_EQ(dechunk(body_of(answer)), "(not whole)");
}

TEST_F(HttpServer, AnEarlyAnswerSurvivesAClientThatIsStillSending) {
  start(
      [](const std::shared_ptr<Exchange>& exchange) { exchange->respond({.status = 404, .body = "gone"}); });
  RawClient client(port_);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n");
  const std::string block(1 << 20, 'b');
  for (int i = 0; i < 8; ++i) client.send(block);
  const std::string answer = client.read_to_end();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_EQ(body_of(answer), "gone");
}

TEST_F(HttpServer, AnAnswerBeforeASmallBodyWasReadKeepsTheConnection) {
  start(echo_path);
  RawClient client(port_);
  client.send(
      "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(body_of(client.read_answer()), "POST /a");
  EXPECT_EQ(body_of(client.read_answer()), "GET /b");
}

TEST_F(HttpServer, NoticesAtOnceThatAnIdleClientLeft) {
  std::promise<void> waiting;
  std::promise<void> left;
  start([&](const std::shared_ptr<Exchange>& exchange) {
    exchange->on_disconnect([exchange, &left] { left.set_value(); });
    waiting.set_value();
  });
  RawClient client(port_);
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  waiting.get_future().wait();
  client.close();
  EXPECT_EQ(left.get_future().wait_for(20s), std::future_status::ready);
}

TEST_F(HttpServer, TellsTheBodysReaderThatItsClientLeft) {
  std::promise<ErrorKind> ended;
  start([&](const std::shared_ptr<Exchange>& exchange) {
    exchange->read_pieces([&](Result<std::span<const char>> piece) {
      if (!piece) ended.set_value(piece.error().kind());
    });
  });
  RawClient client(port_);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
  client.close();
  EXPECT_EQ(ended.get_future().get(), ErrorKind::kClosed);
}

TEST_F(HttpServer, RefusesABodyOverTheLimitOfItsReader) {
  start([](const std::shared_ptr<Exchange>& exchange) {
    exchange->read_body(
        10, [exchange](const Result<std::string>& body) { exchange->respond({.status = body ? 200 : 413}); });
  });
  RawClient client(port_);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world");
  EXPECT_THAT(client.read_answer(), StartsWith("HTTP/1.1 413 "));
}

TEST_F(HttpServer, DecodesThePathAndTheQuery) {
  std::promise<RequestHead> seen;
  start([&](const std::shared_ptr<Exchange>& exchange) {
    seen.set_value(exchange->head());
    exchange->respond({});
  });
  RawClient client(port_);
  client.send("GET http://host:1/a%20b/c%2Fd?x=1&name=two+words%21&flag HTTP/1.1\r\nHost: x\r\n\r\n");
  const RequestHead head = seen.get_future().get();
  EXPECT_EQ(head.raw_path, "/a%20b/c%2Fd");
  EXPECT_EQ(head.path, "/a b/c/d");
  EXPECT_EQ(head.query_value("x"), "1");
  EXPECT_EQ(head.query_value("name"), "two words!");
  EXPECT_EQ(head.query_value("flag"), "");
  EXPECT_EQ(head.header("hOsT"), "x");
  EXPECT_THAT(head.peer, StartsWith("127.0.0.1:"));
}

struct BadRequest {
  const char* name;
  std::string request;
  int status;
};

class HttpServerRefuses : public HttpServer, public ::testing::WithParamInterface<BadRequest> {};

TEST_P(HttpServerRefuses, WithItsStatusAndTheConnectionClosed) {
  start(echo_path);
  RawClient client(port_);
  client.send(GetParam().request);
  const std::string answer = client.read_to_end();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 " + std::to_string(GetParam().status) + " "));
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
}

INSTANTIATE_TEST_SUITE_P(
    BadRequests, HttpServerRefuses,
    ::testing::Values(
        BadRequest{"LengthAndChunked",
                   "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
                   400},
        BadRequest{"ChunkedAndLength",
                   "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
                   400},
        BadRequest{"TwoLengths",
                   "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400},
        BadRequest{
            "ChunkedTwice",
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            400},
        BadRequest{"UnknownCoding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                   501},
        BadRequest{"NoHost", "GET / HTTP/1.1\r\n\r\n", 400},
        BadRequest{"TwoHosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
        BadRequest{"LargeHeader",
                   "GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(17 * 1024, 'x') + "\r\n\r\n", 431},
        BadRequest{"LargeTarget", "GET /" + std::string(17 * 1024, 'x') + " HTTP/1.1\r\nHost: x\r\n\r\n",
                   431},
        BadRequest{"EscapedZero", "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        BadRequest{"BrokenEscape", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        BadRequest{"NotHttp", "\x16\x03\x01\x02\x01 hello\r\n\r\n", 400},
        BadRequest{"Http2", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505}),
    [](const auto& suite) { return std::string(suite.param.name); });

TEST_F(HttpServer, RefusesAMalformedChunkedBody) {
  start(echo_body);
  RawClient client(port_);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
  EXPECT_THAT(client.read_to_end(), HasSubstr("Connection: close\r\n"));
}

TEST_F(HttpServer, RefusesAChunkHeaderWithoutEnd) {
  start(echo_body);
  RawClient client(port_);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
              std::string(400'000, 'x'));
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 "));
}

TEST_F(HttpServer, AnswersAHeaderThatTakesTooLongWith408) {
  start(echo_path, {.header_timeout = 1s});
  RawClient client(port_);
  client.send("GET / HTTP/1.1\r\nHost:");
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 408 "));
}

TEST_F(HttpServer, RefusesOneConnectionMoreThanItsLimit) {
  start(echo_path, {.max_connections = 1});
  RawClient first(port_);
  first.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(first.read_answer(), StartsWith("HTTP/1.1 200 "));
  RawClient second(port_);
  EXPECT_THAT(second.read_to_end(), StartsWith("HTTP/1.1 503 "));
}

TEST_F(HttpServer, DrainsWhenItStopsAccepting) {
  std::promise<std::shared_ptr<Exchange>> running;
  start([&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->head().path == "/slow") return running.set_value(exchange);
    echo_path(exchange);
  });
  RawClient idle(port_);
  idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  idle.read_answer();
  RawClient busy(port_);
  busy.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto exchange = running.get_future().get();
  std::promise<void> drained;
  server_->post([&] { server_->server().stop_accepting([&] { drained.set_value(); }); });
  EXPECT_EQ(idle.read_to_end(), "");
  exchange->post([&] { exchange->respond({.body = "done"}); });
  const std::string answer = busy.read_to_end();
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_EQ(body_of(answer), "done");
  busy.close();
  EXPECT_EQ(drained.get_future().wait_for(20s), std::future_status::ready);
}

TEST_F(HttpServer, SaysWhichAddressCannotBeBound) {
  start(echo_path);
  boost::asio::io_context other_io;
  Server other(other_io, {}, echo_path);
  const auto bound = other.listen({"127.0.0.1", port_});
  ASSERT_FALSE(bound);
  EXPECT_EQ(bound.error().kind(), ErrorKind::kIo);
  EXPECT_THAT(bound.error().message(), HasSubstr("127.0.0.1:" + std::to_string(port_)));
}

}  // namespace
}  // namespace trickle::http
