#include "pipeline/client_channels.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <csignal>
#include <utility>

#include "base/log.h"
#include "io/clock.h"

namespace trickle::pipeline {
namespace {

using nlohmann::ordered_json;

constexpr std::chrono::milliseconds kDataInterval{333};
constexpr std::chrono::seconds kDataKeepAlive{25};
constexpr std::chrono::seconds kHeartbeat{10};
constexpr size_t kMostItems = 1000;
constexpr const char* kStreamEvents = "ai_stream_events";
constexpr const char* kHeartbeatEvents = "stream_heartbeat";

std::unique_ptr<MessageChannel> open(const std::string& url, const char* name, MessageKind kind,
                                     const ClientOptions& options) {
  if (url.empty()) return nullptr;
  return MessageChannel::start(
      {url, fmt::format("[{}] {}: ", options.stream_id, name), options.connection, kind});
}

}  // namespace

ClientChannels::ClientChannels(const ClientOptions& options, std::function<ClientNumbers()> numbers)
    : options_(options), numbers_(std::move(numbers)) {}

void ClientChannels::start() {
  events_ = open(options_.events_url, "events", MessageKind::kJson, options_);
  data_ = open(options_.data_url, "data", MessageKind::kJsonLines, options_);
  if (events_ || data_) thread_ = std::thread([this] { beat(); });
}

ClientChannels::~ClientChannels() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    stopped_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void ClientChannels::emit_data(std::string json) {
  if (!data_) return;
  const std::lock_guard lock(mutex_);
  if (items_.size() >= kMostItems) {
    log::warning("[{}] data: more than {} items in {} ms; the oldest are dropped", options_.stream_id,
                 kMostItems, kDataInterval.count());
    items_.erase(items_.begin(), items_.begin() + kMostItems / 2);
  }
  items_.push_back(std::move(json));
}

void ClientChannels::emit_event(std::string json) {
  ordered_json more = ordered_json::parse(json, nullptr, false);
  if (!more.is_object()) return;
  event("custom", std::move(more));
}

void ClientChannels::event(std::string_view type, ordered_json more) {
  if (!events_) return;
  ordered_json event{{"type", type}, {"timestamp", unix_time().count()}, {"stream_id", options_.stream_id}};
  event.update(more);
  publish(event, kStreamEvents);
}

void ClientChannels::publish(const ordered_json& event, const char* queue) {
  const ordered_json document{{"event", event}, {"queue_event_type", queue}};
  events_->publish(document.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
}

void ClientChannels::beat() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  TimePoint heartbeat_at = system_clock().now() + kHeartbeat;
  TimePoint keep_alive_at = system_clock().now() + kDataKeepAlive;
  std::unique_lock lock(mutex_);
  while (!stopped_.wait_for(lock, kDataInterval, [this] { return stopping_; })) {
    const TimePoint now = system_clock().now();
    const bool keep_alive = now >= keep_alive_at;
    if (keep_alive || !items_.empty()) keep_alive_at = now + kDataKeepAlive;
    publish_items(keep_alive);
    if (!events_ || now < heartbeat_at) continue;
    heartbeat_at = now + kHeartbeat;
    heartbeat();
  }
}

// With the mutex held.
void ClientChannels::publish_items(bool keep_alive) {
  if (!data_ || (items_.empty() && !keep_alive)) return;
  data_->publish(fmt::format("[{}]", fmt::join(std::exchange(items_, {}), ",")));
}

void ClientChannels::heartbeat() {
  const ClientNumbers now = numbers_();
  const auto rate = [](uint64_t current, uint64_t last) {
    return static_cast<double>(current - last) / static_cast<double>(kHeartbeat.count());
  };
  publish({{"type", "heartbeat"},
           {"timestamp", unix_time().count()},
           {"urls",
            {{"subscribe", options_.subscribe_url},
             {"publish", options_.publish_url},
             {"control", options_.control_url},
             {"events", options_.events_url},
             {"data", options_.data_url}}},
           {"dimensions", {{"width", now.width}, {"height", now.height}}},
           {"fps",
            {{"ingress_video_fps", rate(now.frames_in, last_numbers_.frames_in)},
             {"ingress_audio_fps", rate(now.audio_in, last_numbers_.audio_in)},
             {"egress_video_fps", rate(now.frames_out, last_numbers_.frames_out)},
             {"egress_audio_fps", rate(now.audio_out, last_numbers_.audio_out)}}}},
          kHeartbeatEvents);
  last_numbers_ = now;
}

void ClientChannels::finish() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    stopped_.notify_one();
    publish_items(false);
  }
  if (thread_.joinable()) thread_.join();
  if (data_) data_->finish();
  if (events_) events_->finish();
}

}  // namespace trickle::pipeline
