// What clients can make the server hold, and for how long: its limits over real loopback connections.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/server.h"
#include "integration/server_thread.h"

namespace trickle::http {
namespace {

using namespace std::chrono_literals;
using testing::body_of;
using ::testing::HasSubstr;
using testing::RawClient;
using ::testing::StartsWith;

class HttpBounds : public ::testing::Test {
 protected:
  void start(ServerOptions options, Handler handler = answer) {
    server_ = std::make_unique<testing::ServerThread<Server>>(options, std::move(handler));
    port_ = server_->port();
  }

  // "/wait" is never answered, "/large" with a megabyte.
  static void answer(const std::shared_ptr<Exchange>& exchange) {
    if (exchange->head().path == "/wait") return exchange->on_disconnect([exchange] {});
    exchange->respond({.body = exchange->head().path == "/large" ? std::string(1 << 20, 'l') : "ok"});
  }

  static std::string get(const std::string& path, const std::string& headers = "") {
    return "GET " + path + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n";
  }

  std::unique_ptr<testing::ServerThread<Server>> server_;
  uint16_t port_ = 0;
};

TEST_F(HttpBounds, ManySmallHeadersAreRefusedAsTooLarge) {
  start({});
  std::string headers;
  for (int i = 0; i < 200; ++i) headers += "a:\r\n";
  RawClient client(port_);
  client.send(get("/", headers));
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 431 "));
}

TEST_F(HttpBounds, HeadersUpToTheLimitAreTaken) {
  start({});
  RawClient client(port_);
  client.send(get("/", "X: " + std::string(16'000, 'x') + "\r\n"));
  EXPECT_THAT(client.read_answer(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpBounds, HalfOpenHeadersAreHeldOnlyWithinTheBudget) {
  constexpr size_t kBudget = 400'000;
  start({.max_buffered_bytes = kBudget});
  std::vector<std::unique_ptr<RawClient>> half_open;
  for (int i = 0; i < 100; ++i) {
    half_open.push_back(std::make_unique<RawClient>(port_));
    half_open.back()->send("GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(12'000, 'x'));
  }
  EXPECT_THAT(half_open.back()->read_to_end(), StartsWith("HTTP/1.1 503 "));
  EXPECT_LE(server_->ask([&] { return server_->server().buffered_bytes(); }), kBudget + 300'000);
  half_open.clear();
  EXPECT_TRUE(server_->becomes([&] { return server_->server().buffered_bytes() == 0; }));
  RawClient later(port_);
  later.send(get("/"));
  EXPECT_THAT(later.read_answer(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpBounds, AnswersThatNobodyReadsAreHeldOnlyWithinTheBudget) {
  constexpr size_t kBudget = 4'000'000;
  start({.max_buffered_bytes = kBudget});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 60; ++i) {
    clients.push_back(std::make_unique<RawClient>(port_));
    const int smallest = 1;
    ::setsockopt(clients.back()->fd(), SOL_SOCKET, SO_RCVBUF, &smallest, sizeof smallest);
    for (int k = 0; k < 20; ++k) clients.back()->send(get("/large"));
  }
  RawClient small(port_);
  small.send(get("/"));
  EXPECT_THAT(small.read_answer(),
              ::testing::AnyOf(StartsWith("HTTP/1.1 200 "), StartsWith("HTTP/1.1 503 ")));
  EXPECT_LE(server_->ask([&] { return server_->server().buffered_bytes(); }), kBudget + 1'200'000);
}

TEST_F(HttpBounds, RequestsBehindOneThatWaitsAreNotReadWithoutEnd) {
  start({});
  RawClient client(port_);
  const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
  client.send(get("/wait"));
  const std::string more(1 << 16, 'm');
  size_t sent = 0;
  for (ssize_t n = 0; n >= 0 && sent < (64u << 20); sent += static_cast<size_t>(n)) {
    n = ::send(client.fd(), more.data(), more.size(), flags);
    if (n < 0) break;
  }
  EXPECT_LT(sent, 64u << 20) << "TCP makes it wait";
  EXPECT_LE(server_->ask([&] { return server_->server().buffered_bytes(); }), 64'000u);
}

TEST_F(HttpBounds, AClientThatLeavesWithUnreadRequestsBehindAWaitingOneIsNoticed) {
  start({});
  {
    RawClient client(port_);
    client.send(get("/wait") + std::string(100'000, 'm'));
    EXPECT_TRUE(server_->becomes(
        [&] { return server_->server().connections() == 1 && server_->server().buffered_bytes() > 10'000; }));
  }
  EXPECT_TRUE(server_->becomes([&] { return server_->server().connections() == 0; }));
}

TEST_F(HttpBounds, ManyPipelinedRequestsAreAllAnswered) {
  start({});
  RawClient client(port_);
  std::string requests;
  for (int i = 0; i < 1000; ++i) requests += get("/");
  std::thread sender([&] { client.send(requests); });
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(body_of(client.read_answer()), "ok") << i;
  sender.join();
}

TEST_F(HttpBounds, AWaitingRequestForgetsItsHeadersWhenToldTo) {
  std::promise<void> waiting;
  start({}, [&](const std::shared_ptr<Exchange>& exchange) {
    exchange->on_disconnect([exchange] {});
    exchange->release_headers();
    EXPECT_TRUE(exchange->head().headers.empty());
    EXPECT_EQ(exchange->head().raw_path, "/x");
    waiting.set_value();
  });
  RawClient client(port_);
  client.send(get("/x", "X: " + std::string(15'000, 'x') + "\r\n"));
  waiting.get_future().wait();
  EXPECT_LT(server_->ask([&] { return server_->server().buffered_bytes(); }), 5'000u);
}

TEST_F(HttpBounds, FarTooManyConnectionsAreClosedWithoutAWord) {
  start({.max_connections = 1});
  RawClient first(port_);
  first.send(get("/"));
  first.read_answer();
  std::vector<std::unique_ptr<RawClient>> flood;
  for (int i = 0; i < 400; ++i) flood.push_back(std::make_unique<RawClient>(port_));
  EXPECT_TRUE(server_->becomes([&] { return server_->server().connections() <= 257; }));
  first.send(get("/"));
  EXPECT_THAT(first.read_answer(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpBounds, BodiesWhoseLengthIsInDoubtAreRefused) {
  start({});
  for (const std::string request :
       {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\n\r\nx",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\nx",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\nx",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\nx",
        "POST / HTTP/1.1\r\nHost : x\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n"}) {
    RawClient client(port_);
    client.send(request);
    client.shutdown_send();
    EXPECT_THAT(client.read_to_end(),
                ::testing::AnyOf(StartsWith("HTTP/1.1 400 "), StartsWith("HTTP/1.1 501 ")))
        << request;
  }
}

}  // namespace
}  // namespace trickle::http
