// The events and data channels of a stream that runs in this process, with the beats that they need.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "pipeline/message_channel.h"
#include "pipeline/processor_host.h"
#include "trickle/client.h"

namespace trickle::pipeline {

/// Thread-safe. Documents have the form of trickle-api(7), EVENTS and DATA.
class ClientChannels final : public ProcessorOutlet {
 public:
  /// `numbers` is asked for each heartbeat, from start() to finish(). Channels without a URL are left out.
  ClientChannels(const ClientOptions& options, std::function<ClientNumbers()> numbers);
  ~ClientChannels() override;
  ClientChannels(const ClientChannels&) = delete;
  ClientChannels& operator=(const ClientChannels&) = delete;

  void start();
  void emit_data(std::string json) override;
  void emit_event(std::string json) override;
  /// An event of our own: {"type":TYPE,"timestamp":MS,"stream_id":ID,…}.
  void event(std::string_view type, nlohmann::ordered_json more = nlohmann::ordered_json::object());
  /// Publishes what waits and ends the channels.
  void finish();

 private:
  void beat();
  void publish_items(bool keep_alive);
  void heartbeat();
  void publish(const nlohmann::ordered_json& event, const char* queue);

  const ClientOptions options_;
  std::function<ClientNumbers()> numbers_;
  std::unique_ptr<MessageChannel> events_, data_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::vector<std::string> items_;
  ClientNumbers last_numbers_;  // Of the last heartbeat.
  std::thread thread_;
};

}  // namespace trickle::pipeline
