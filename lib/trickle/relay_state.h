// What the parts of the relay share. Private to lib/trickle.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <string>
#include <string_view>

#include "base/counters.h"
#include "trickle/channel_store.h"
#include "trickle/delivery_queue.h"
#include "trickle/hls_channels.h"
#include "trickle/relay.h"
#include "trickle/relay_numbers.h"
#include "trickle/relay_target.h"
#include "trickle/shared_store.h"

namespace trickle {

/// A POST that has had no body yet and is to hear "100 Continue" now and then.
class WaitingPost
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  virtual void send_continue() = 0;
  TimePoint due;

 protected:
  ~WaitingPost() = default;
};

struct Relay::State : std::enable_shared_from_this<Relay::State> {
  State(boost::asio::io_context& io_context, RelayOptions relay_options, Counters* shared_counters);
  /// For the same channels as `first`, on another thread.
  State(boost::asio::io_context& io_context, State& first);

  void start();
  void stop();
  /// Has the store shared, where it is not yet. \return a view of it for `user`.
  void share_store_with(State& user);
  void observe_store();
  /// Of all relays for these channels.
  void add_numbers_to(RelayNumbers& sum) const;
  void tell_feed(const std::string& channel, bool added);
  [[nodiscard]] bool may_create(std::string_view channel, const http::RequestHead& head) const;
  void wait_for_body(WaitingPost& post);
  void send_due_continues();
  void sweep_later();
  void await_writers(std::function<void()> done);

  boost::asio::io_context& io;
  RelayOptions options;
  Counters own_counters;
  Counters& counters;
  std::unique_ptr<ChannelStore> store;
  std::shared_ptr<SharedStore> shared_store;  ///< Null while there is one relay only.
  bool is_first = true;                       ///< It does for all of them what is done by time.
  std::shared_ptr<std::vector<State*>> team;  ///< All of them; complete before the second thread runs.
  TimePoint started;
  bool shutting_down = false;
  bool stopped = false;
  RelayNumbers numbers;
  std::function<http::ServerNumbers()> server_numbers;
  std::shared_ptr<HlsChannels> playlists;
  std::shared_ptr<DeliveryQueue> deliveries;
  std::string large_channels_page;  ///< Kept for a moment: see relay_channels_page().
  TimePoint large_channels_page_until{};

  // In the order in which they are due.
  boost::intrusive::list<WaitingPost, boost::intrusive::constant_time_size<false>> waiting_posts;
  boost::asio::steady_timer continue_timer;
  boost::asio::steady_timer sweep_timer;
  boost::asio::steady_timer drain_timer;
  TimePoint drain_until;
};

using RelayStatePtr = std::shared_ptr<Relay::State>;

// relay_access.cc
/// Whether the request may do what it wants. \return false when it was answered 401 or 403.
[[nodiscard]] bool relay_admits(const Relay::State& state, http::Exchange& exchange,
                                const RelayTarget& target);
// relay_get.cc
void relay_get(const RelayStatePtr& state, const std::shared_ptr<http::Exchange>& exchange,
               const RelayTarget& target);
void relay_next(Relay::State& state, http::Exchange& exchange, const RelayTarget& target);
void relay_live(const RelayStatePtr& state, const std::shared_ptr<http::Exchange>& exchange,
                const RelayTarget& target);
// relay_hls.cc
void relay_playlist(const RelayStatePtr& state, const std::shared_ptr<http::Exchange>& exchange,
                    const RelayTarget& target);
// relay_post.cc
void relay_post(const RelayStatePtr& state, const std::shared_ptr<http::Exchange>& exchange,
                const RelayTarget& target);
// relay_pages.cc
void relay_channels_page(Relay::State& state, http::Exchange& exchange);
void relay_health_page(Relay::State& state, http::Exchange& exchange);
// relay_cors.cc
/// Adds what browsers need to the answer to come. \return true when the request was a preflight and is
/// answered.
[[nodiscard]] bool relay_answers_preflight(const Relay::State& state, http::Exchange& exchange);
// relay_metrics.cc
void relay_metrics_page(const Relay::State& state, http::Exchange& exchange);
[[nodiscard]] std::string change_document(const std::string& channel, bool added);

/// text/plain with a newline.
[[nodiscard]] http::Response plain_text(int status, std::string_view sentence, http::Fields headers = {});
[[nodiscard]] inline std::pair<std::string, std::string> seq_field(SegmentNumber number) {
  return {"Lp-Trickle-Seq", std::to_string(number)};
}
[[nodiscard]] inline std::pair<std::string, std::string> latest_field(SegmentNumber number) {
  return {"Lp-Trickle-Latest", std::to_string(number)};
}
[[nodiscard]] inline std::pair<std::string, std::string> closed_field() {
  return {"Lp-Trickle-Closed", "terminated"};
}

}  // namespace trickle
