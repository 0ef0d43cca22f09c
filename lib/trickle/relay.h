// The trickle server as an HTTP handler: trickle-protocol(7) on top of a channel store.
//
// Embed it in any http::Server: hand each exchange to handle(). Everything happens on the thread of that
// server. More threads serve the same channels with a relay and a server for each of them (see RelayServer).
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/server.h"
#include "io/clock.h"
#include "trickle/access.h"

namespace trickle {

struct Counters;

struct RelayOptions {
  std::string base_path = "/";          ///< Begins and ends with "/".
  bool autocreate = true;               ///< Clients may make channels; without it only admins.
  std::vector<std::string> channels{};  ///< Made at the start, never swept, may be made again after a DELETE.
  bool changefeed = false;
  std::vector<std::string> cors_origins{};    ///< Whose pages may read answers; "*" is everybody's.
  AccessRules access{};                       ///< Which tokens open what.
  size_t window = 5;                          ///< Segments kept for each channel.
  uint64_t max_segment_bytes = 64ull << 20;   ///< More: 413.
  uint64_t max_channel_bytes = 256ull << 20;  ///< More: the oldest segments go, then 413.
  uint64_t memory_bytes = UINT64_MAX;         ///< More: the same over all channels, then 507.
  size_t max_channels = SIZE_MAX;             ///< More: 507.
  std::chrono::milliseconds idle_timeout = std::chrono::minutes(5);
  size_t threads = 1;  ///< How many relays serve its channels.
  std::chrono::milliseconds interim_interval = std::chrono::seconds(10);  ///< Between "100 Continue"s.
};

/// \return kUsage when `text` is no channel name: 1 to 255 of A-Z a-z 0-9 . _ ~ -
Result<void> check_channel_name(std::string_view text);

/// \return kUsage when `text` is neither an origin (scheme://host[:port]) nor "*".
Result<void> check_cors_origin(std::string_view text);

/// "ai/trickle" becomes "/ai/trickle/". \return kUsage when it has empty parts or what a URL path may not
/// have.
Result<std::string> normal_base_path(std::string_view text);

class Relay {
 public:
  /// `io` and `counters` (where bytes and segments are counted, may be null) must outlive the relay.
  Relay(boost::asio::io_context& io, RelayOptions options, Counters* counters = nullptr);
  /// One more for the channels of `first`, with its options, for the exchanges of a server on another thread.
  /// All of them must be made before any but the thread of `first` runs, and destroyed when none does,
  /// `first` as the last. It is `first` that sweeps, that keeps the feed, and that is to be shut down.
  Relay(boost::asio::io_context& io, Relay& first);
  /// The first one ends every channel. What exchanges it still has are answered.
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  void handle(const std::shared_ptr<http::Exchange>& exchange);

  /// For the requests that follow here (not those of other threads); those that were let in stay.
  void set_access(AccessRules rules);

  /// Where /_metrics gets what it says of connections and answers; called on the server's thread.
  void set_server_numbers(std::function<http::ServerNumbers()> numbers);

  /// Ends every channel: the feed and all readers are told, segments that a writer is in the middle of get
  /// `drain` to be finished. `done` is called when nothing is left to wait for.
  void shutdown(std::chrono::milliseconds drain, std::function<void()> done);

  /// "3 channels, 1.2 MiB in, …", for the last line of a log.
  [[nodiscard]] std::string summary() const;

  struct State;  ///< Of its parts, not of callers.

 private:
  std::shared_ptr<State> state_;
};

}  // namespace trickle
