// What tests of Subscriber against scripted servers have in common.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "integration/fake_server.h"
#include "trickle/clients.h"
#include "trickle/subscriber.h"

namespace trickle::testing {

inline std::string seq(int64_t number) { return "Lp-Trickle-Seq: " + std::to_string(number) + "\r\n"; }

inline ConnectionOptions hasty() {
  ConnectionOptions options;
  options.retry_first_delay = options.retry_last_delay = std::chrono::milliseconds(1);
  return options;
}

/// Its retries follow at once.
inline std::unique_ptr<Subscriber> open(const FakeServer& server, SubscriberOptions options = {},
                                        std::optional<int> retries = 5) {
  options.url = server.url();
  options.connection = hasty();
  options.connection.retries = retries;
  auto subscriber = Subscriber::open(std::move(options));
  EXPECT_TRUE(subscriber);
  return *std::move(subscriber);
}

// Reads to the end of the stream; segments are separated by '|', those that are incomplete marked by '!'.
inline std::string read_all(Subscriber& subscriber) {
  std::string all;
  while (true) {
    auto piece = subscriber.read();
    if (!piece) return all + "error: " + piece.error().to_string();
    switch (piece->kind) {
      case SubscriberPiece::Kind::kBytes:
        all.append(reinterpret_cast<const char*>(piece->bytes.data()), piece->bytes.size());
        break;
      case SubscriberPiece::Kind::kSegmentEnd:
        all += piece->complete ? "|" : "!|";
        break;
      case SubscriberPiece::Kind::kEndOfStream:
        return all;
    }
  }
}

inline void closed(FakeExchange& exchange) { exchange.answer(200, "Lp-Trickle-Closed: terminated\r\n"); }

inline std::unique_ptr<Subscriber> open_with(const FakeServer& server, const Clock& clock) {
  auto subscriber = open_subscriber({.url = server.url(), .connection = hasty()}, clock);
  EXPECT_TRUE(subscriber);
  return *std::move(subscriber);
}

}  // namespace trickle::testing
