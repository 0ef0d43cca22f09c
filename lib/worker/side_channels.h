// The channels beside the video: events, data and control of one stream.
//
// Losing one of them never touches the video. Documents of the events channel have the form
// `{"event":{"type":TYPE,"timestamp":MS,…},"queue_event_type":QUEUE}` (trickle-api(7), EVENTS).
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>

#include "worker/json_publisher.h"
#include "worker/json_subscriber.h"
#include "worker/stream.h"

namespace trickle::worker {

/// `{"type":"heartbeat",…}`: a gateway drops a worker whose events pause for 30 s.
[[nodiscard]] nlohmann::ordered_json heartbeat_event(const Stream& stream);
/// `{"type":"status",…}`: what the status store of a Livepeer gateway expects.
[[nodiscard]] nlohmann::ordered_json status_event(const Stream& stream, const std::string& pipeline);

/// Belongs to the thread that runs the io_context.
class SideChannels {
 public:
  /// Opens what the request of `stream` (which must outlive this) names. `on_control` gets each document of
  /// the control channel that is not one of the gateway's keep-alives.
  SideChannels(boost::asio::io_context& io, const Stream& stream, const StreamOptions& options,
               std::function<void(const nlohmann::json&)> on_control);
  ~SideChannels();
  SideChannels(const SideChannels&) = delete;
  SideChannels& operator=(const SideChannels&) = delete;

  /// Publishes an event of this type, with the time, and what else belongs to it.
  void event(std::string_view type, nlohmann::ordered_json more = nlohmann::ordered_json::object());
  /// An event that a processor made: a JSON object, completed with a type and the time.
  void add_event(const std::string& json);
  /// An item for the next array on the data channel, any JSON.
  void add_item(std::string json);
  /// Publishes what is queued, ends the events and data channels, then calls `done`, `within` that time.
  void finish(std::chrono::milliseconds within, std::function<void()> done);

 private:
  void publish(const nlohmann::ordered_json& event, const char* queue);
  void beat();
  void keep_data_alive();
  void publish_items();

  boost::asio::io_context& io_;
  const Stream& stream_;
  log::StreamLog log_;
  std::string pipeline_;
  std::unique_ptr<JsonPublisher> events_, data_;
  std::unique_ptr<JsonSubscriber> control_;
  boost::asio::steady_timer heartbeat_, data_timer_, items_timer_;
  std::vector<std::string> items_;                              // Emitted since the last array.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // A timer's handler may outlive its timer.
};

}  // namespace trickle::worker
