#include "worker/side_channels.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/asio/post.hpp>
#include <utility>

#include "base/log.h"
#include "base/redact.h"

namespace trickle::worker {
namespace {

using nlohmann::ordered_json;

constexpr std::chrono::seconds kHeartbeat{10};
constexpr std::chrono::seconds kDataKeepAlive{25};
constexpr std::chrono::milliseconds kDataInterval{333};
constexpr size_t kMostItems = 1000;
constexpr size_t kDataLineBytes = 64 * 1024;  // What a gateway reads as one line.
constexpr const char* kStreamEvents = "ai_stream_events";
constexpr const char* kHeartbeatEvents = "stream_heartbeat";

ordered_json text_or_null(const std::string& text) {
  return text.empty() ? ordered_json() : ordered_json(text);
}
ordered_json time_or_null(std::chrono::milliseconds time) {
  return time.count() == 0 ? ordered_json() : ordered_json(time.count());
}

bool is_keep_alive(const nlohmann::json& document) {
  return document.is_object() && document.size() == 1 && document.contains("keep") &&
         document["keep"] == "alive";
}

}  // namespace

ordered_json heartbeat_event(const Stream& stream) {
  const StartRequest& request = stream.request();
  const StreamNumbers n = stream.numbers();
  return {{"type", "heartbeat"},
          {"timestamp", unix_time().count()},
          {"urls",
           {{"subscribe", redact_secrets(request.subscribe_url)},
            {"publish", redact_secrets(request.publish_url)},
            {"control", redact_secrets(request.control_url)},
            {"events", redact_secrets(request.events_url)},
            {"data", redact_secrets(request.data_url)}}},
          {"dimensions", {{"width", n.width}, {"height", n.height}}},
          {"fps",
           {{"ingress_video_fps", n.ingress_video_fps},
            {"ingress_audio_fps", n.ingress_audio_fps},
            {"egress_video_fps", n.egress_video_fps},
            {"egress_audio_fps", n.egress_audio_fps}}}};
}

ordered_json status_event(const Stream& stream, const std::string& pipeline) {
  const StreamNumbers n = stream.numbers();
  const Stream::Times& times = stream.times();
  return {{"type", "status"},
          {"timestamp", unix_time().count()},
          {"pipeline", pipeline},
          {"start_time", times.started.count()},
          {"state", stream.state()},
          {"last_state_update_time", times.state.count()},
          {"input_status", {{"last_input_time", time_or_null(times.input)}, {"fps", n.ingress_video_fps}}},
          {"inference_status",
           {{"last_output_time", time_or_null(times.output)},
            {"fps", n.egress_video_fps},
            {"last_params", nlohmann::json::parse(fx::to_json_text(stream.params().effects))},
            {"last_error", text_or_null(stream.last_error())},
            {"restart_count", stream.restarts()},
            {"last_restart_time", time_or_null(times.restart)}}}};
}

SideChannels::SideChannels(boost::asio::io_context& io, const Stream& stream, const StreamOptions& options,
                           std::function<void(const nlohmann::json&)> on_control)
    : io_(io),
      stream_(stream),
      log_(options.chain.log),
      pipeline_(options.pipeline),
      heartbeat_(io),
      data_timer_(io),
      items_timer_(io) {
  const StartRequest& request = stream.request();
  const auto channel = [&](const std::string& url, const char* name) {
    return SideChannelOptions{url, log_.with_prefix(fmt::format("{}: ", name)), options.chain.limits,
                              options.chain.program_directory, options.plan};
  };
  const auto publisher = [&](const std::string& url, const char* name, pipeline::MessageKind kind) {
    if (options.local.make_publisher) return options.local.make_publisher(io, url, kind);
    SideChannelOptions wanted = channel(url, name);
    wanted.kind = kind;
    return JsonPublisher::start(io, std::move(wanted));
  };
  if (!request.events_url.empty()) {
    events_ = publisher(request.events_url, "events", pipeline::MessageKind::kJson);
    beat();
  }
  if (!request.data_url.empty()) {
    data_ = publisher(request.data_url, "data", pipeline::MessageKind::kJsonLines);
    keep_data_alive();
  }
  if (!request.control_url.empty()) {
    auto take = [on_control = std::move(on_control)](const nlohmann::json& document) {
      if (!is_keep_alive(document)) on_control(document);
    };
    auto complain = [this](const std::string& junk) {
      log_.warning("{}", junk);
      event("error", {{"message", junk}});
    };
    control_ =
        options.local.make_subscriber
            ? options.local.make_subscriber(io, request.control_url, std::move(take), std::move(complain))
            : JsonSubscriber::start(io, channel(request.control_url, "control"), std::move(take),
                                    std::move(complain));
  }
}

SideChannels::~SideChannels() = default;

void SideChannels::event(std::string_view type, ordered_json more) {
  if (!events_) return;
  ordered_json event{{"type", type}, {"timestamp", unix_time().count()}, {"stream_id", stream_.request().id}};
  event.update(more);
  publish(event, kStreamEvents);
}

void SideChannels::add_event(const std::string& json) {
  ordered_json more = ordered_json::parse(json, nullptr, false);
  if (more.is_object()) event("custom", std::move(more));
}

void SideChannels::add_item(std::string json) {
  if (!data_) return;
  if (json.size() + 3 > kDataLineBytes) {
    return log_.warning("data: an item of more than {} bytes is left out", kDataLineBytes);
  }
  if (items_.empty()) {
    items_timer_.expires_after(kDataInterval);
    items_timer_.async_wait(
        [this, alive = std::weak_ptr<bool>(alive_)](const boost::system::error_code& failure) {
          if (!failure && !alive.expired()) publish_items();
        });
  }
  if (items_.size() >= kMostItems) {
    log_.warning("data: more than {} items in {} ms: the oldest are dropped", kMostItems,
                 kDataInterval.count());
    items_.erase(items_.begin(), items_.begin() + kMostItems / 2);
  }
  items_.push_back(std::move(json));
}

void SideChannels::publish_items() {
  if (!data_ || items_.empty()) return;
  std::string array;
  for (const std::string& item : std::exchange(items_, {})) {
    if (!array.empty() && array.size() + item.size() + 4 > kDataLineBytes) {
      data_->publish(fmt::format("[{}]", std::exchange(array, {})));
    }
    if (!array.empty()) array += ',';
    array += item;
  }
  data_->publish(fmt::format("[{}]", array));
  keep_data_alive();
}

void SideChannels::publish(const ordered_json& event, const char* queue) {
  const ordered_json document{{"event", event}, {"queue_event_type", queue}};
  events_->publish(document.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
}

void SideChannels::beat() {
  heartbeat_.expires_after(kHeartbeat);
  heartbeat_.async_wait(
      [this, alive = std::weak_ptr<bool>(alive_)](const boost::system::error_code& failure) {
        if (failure || alive.expired() || !events_) return;
        publish(heartbeat_event(stream_), kHeartbeatEvents);
        publish(status_event(stream_, pipeline_), kStreamEvents);
        beat();
      });
}

void SideChannels::keep_data_alive() {
  data_timer_.expires_after(kDataKeepAlive);
  data_timer_.async_wait(
      [this, alive = std::weak_ptr<bool>(alive_)](const boost::system::error_code& failure) {
        if (failure || alive.expired() || !data_) return;
        data_->publish("[]");
        keep_data_alive();
      });
}

void SideChannels::finish(std::chrono::milliseconds within, std::function<void()> done) {
  publish_items();
  heartbeat_.cancel();
  data_timer_.cancel();
  items_timer_.cancel();
  control_.reset();
  const auto both = std::make_shared<int>(2);
  const auto one_done = [alive = std::weak_ptr<bool>(alive_), both, done = std::move(done)] {
    if (--*both > 0 || alive.expired()) return;
    done();
  };
  for (auto* channel : {events_.get(), data_.get()}) {
    if (channel != nullptr) {
      channel->finish(within, one_done);
    } else {
      boost::asio::post(io_, one_done);
    }
  }
}

}  // namespace trickle::worker
