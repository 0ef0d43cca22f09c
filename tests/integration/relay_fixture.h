// For tests that speak to a relay byte by byte: every one of them once with one thread that serves, and once
// with several.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/log.h"
#include "http/chunk.h"
#include "integration/server_thread.h"
#include "trickle/relay_server.h"

namespace trickle::testing {

class RelayTest : public ::testing::TestWithParam<size_t> {
 protected:
  static void SetUpTestSuite() { ASSERT_TRUE(log::configure("relay_test", "warning", log::Format::kText)); }
  void SetUp() override { start({}); }

  void start(RelayOptions options) {
    relay_.reset();
    relay_ =
        std::make_unique<ServerThread<RelayServer>>(std::move(options), http::ServerOptions{}, GetParam());
    port_ = relay_->port();
  }

  // Sends what is given on a new connection; what comes until the relay closes it.
  std::string exchange(const std::string& bytes) const {
    RawClient client(port_);
    client.send(bytes);
    return client.read_to_end();
  }
  // One request on a connection of its own; the whole answer.
  std::string ask(const std::string& request_line, const std::string& headers = "",
                  const std::string& body = "") const {
    std::string request = request_line + " HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n" + headers;
    if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return exchange(request + "\r\n" + body);
  }
  std::string post(const std::string& path, const std::string& body) const {
    return ask("POST " + path, "Content-Type: video/mp2t\r\n", body);
  }
  [[nodiscard]] std::string read(const std::string& path) const {
    return dechunk(body_of(ask("GET " + path)));
  }

  // A POST whose head is sent and whose body is up to the test.
  [[nodiscard]] std::unique_ptr<RawClient> open_post(const std::string& path,
                                                     const std::string& headers = "") const {
    auto client = std::make_unique<RawClient>(port_);
    client->send("POST " + path + " HTTP/1.1\r\nHost: relay\r\nTransfer-Encoding: chunked\r\n" + headers +
                 "\r\n");
    return client;
  }
  [[nodiscard]] std::unique_ptr<RawClient> open_get(const std::string& path) const {
    auto client = std::make_unique<RawClient>(port_);
    client->send("GET " + path + " HTTP/1.1\r\nHost: relay\r\n\r\n");
    return client;
  }

  // What the relay knows is asked until it is so: requests on other connections have no order among each
  // other.
  void wait_until(const std::string& path, const std::string& text) const {
    const auto deadline = std::chrono::steady_clock::now() + RawClient::kDeadline;
    std::string answer;
    do {
      answer = ask("GET " + path);
      if (answer.find(text) != std::string::npos) return;
    } while (std::chrono::steady_clock::now() < deadline);
    FAIL() << path << " never said " << text << " but " << answer;
  }
  void wait_for_readers(int count) const {
    wait_until("/_health", "\"readers\":" + std::to_string(count) + ",");
  }
  void wait_for_writer(int seq) const {
    wait_until("/_channels",
               fmt::format("\"seq\":{},\"state\":\"waiting\",\"bytes\":0,\"writer\":true", seq));
  }

  static std::string chunk(std::string_view text) { return std::string(http::Chunk(text).framed()); }
  static std::string cam(int number) { return std::string("/cam/").append(std::to_string(number)); }
  static constexpr std::string_view kEnd = "0\r\n\r\n";

  std::unique_ptr<ServerThread<RelayServer>> relay_;
  uint16_t port_ = 0;
};

#define TRICKLE_WITH_ONE_AND_SEVERAL_THREADS(Suite) \
  INSTANTIATE_TEST_SUITE_P(Threads, Suite, ::testing::Values(1, 3), ::testing::PrintToStringParamName())

}  // namespace trickle::testing
