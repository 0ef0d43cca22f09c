// A scripted server that keeps what publishers send it.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "integration/fake_server.h"
#include "trickle/publisher.h"

namespace trickle::testing {

class Recorder {
 public:
  /// `special` sees each request first, and may take it over by returning true.
  explicit Recorder(std::function<bool(FakeExchange&)> special = nullptr)
      : special_(std::move(special)), server_([this](FakeExchange& exchange) { serve(exchange); }) {}

  [[nodiscard]] FakeServer& server() { return server_; }
  [[nodiscard]] std::string segment(int number) {
    const std::lock_guard lock(mutex_);
    return segments_[number];
  }
  std::unique_ptr<Publisher> open(PublisherOptions options = {}) {
    options.url = server_.url();
    options.linger = {};
    auto publisher = Publisher::open(std::move(options));
    EXPECT_TRUE(publisher);
    return *std::move(publisher);
  }

 private:
  void serve(FakeExchange& exchange) {
    if (special_ && special_(exchange)) return;
    const auto& request = exchange.request();
    if (request.method == "POST" && request.target.starts_with("/c/")) {
      const int number = std::stoi(request.target.substr(3));
      std::string body = exchange.read_body();
      if (exchange.gone()) return;
      const std::lock_guard lock(mutex_);
      segments_[number] += body;
    }
    exchange.answer(200, request.target == "/c/next" ? "Lp-Trickle-Latest: 0\r\n" : "");
  }

  std::mutex mutex_;
  std::map<int, std::string> segments_;
  std::function<bool(FakeExchange&)> special_;
  FakeServer server_;  // Last: its threads use what is above.
};

inline bool is_post(const FakeExchange& exchange, int number) {
  return exchange.request().method == "POST" && exchange.request().target == "/c/" + std::to_string(number);
}

inline Result<void> write(Publisher& publisher, std::string_view text) {
  return publisher.write(std::as_bytes(std::span(text)));
}

}  // namespace trickle::testing
