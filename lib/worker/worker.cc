#include "worker/worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>

#include "base/log.h"

namespace trickle::worker {
namespace {

constexpr size_t kEndedStreamsKept = 16;

}  // namespace

Worker::Worker(boost::asio::io_context& io, WorkerOptions options) : io_(io), options_(std::move(options)) {}

Worker::~Worker() = default;

std::optional<Refusal> Worker::start(StartRequest request) {
  if (when_empty_) return Refusal{503, "Pipeline is shutting down"};
  if (loading()) return Refusal{503, "Pipeline is still loading"};
  if (streams_.contains(request.id)) {
    return Refusal{409, fmt::format("gateway_request_id \"{}\" is in use", request.id)};
  }
  if (streams_.size() >= options_.capacity) return Refusal{503, "Pipeline is still in use"};
  if (options_.stream.local.make_chain) request.warnings.clear();  // The processor may know what we don't.
  for (const auto& warning : request.warnings) log::StreamLog(request.id).warning("{}", warning);
  const std::string id = request.id;
  last_failure_.clear();
  ++started_;
  auto stream =
      std::make_shared<Stream>(io_, std::move(request), options_.stream, [this, id] { on_ended(id); });
  streams_.emplace(id, stream);
  stream->start();
  return std::nullopt;
}

void Worker::on_ended(const std::string& id) {
  const auto found = streams_.find(id);
  if (found->second->failed()) {
    last_failure_ = found->second->last_error();
    ++failed_;
  }
  ended_.push_back(found->second);
  if (ended_.size() > kEndedStreamsKept) ended_.pop_front();
  streams_.erase(found);
  if (streams_.empty() && when_empty_) boost::asio::post(io_, when_empty_);
}

Worker::Choice Worker::choose(std::string_view id) const {
  if (!id.empty()) {
    if (const auto found = streams_.find(id); found != streams_.end()) return {found->second, {}};
    return {nullptr, {400, fmt::format("no stream \"{}\" runs", id)}};
  }
  if (streams_.empty()) return {nullptr, {400, "No active stream"}};
  if (streams_.size() == 1) return {streams_.begin()->second, {}};
  std::vector<std::string_view> names;
  for (const auto& [name, stream] : streams_) names.push_back(name);
  return {nullptr,
          {400, fmt::format("several streams run: name one of them by X-Stream-Id, ?stream_id= or "
                            "gateway_request_id: {}",
                            fmt::join(names, ", "))}};
}

std::vector<std::shared_ptr<Stream>> Worker::running() const {
  std::vector<std::shared_ptr<Stream>> result;
  for (const auto& [name, stream] : streams_) result.push_back(stream);
  return result;
}

size_t Worker::free_slots() const { return options_.capacity - std::min(options_.capacity, streams_.size()); }

void Worker::send_signal(int signal) {
  for (const auto& [name, stream] : streams_) stream->send_signal(signal);
}

const char* Worker::health() const {
  if (loading()) return "LOADING";
  return streams_.empty() ? "IDLE" : "OK";
}

nlohmann::ordered_json Worker::state() const {
  using nlohmann::ordered_json;
  return {{"status", health()},
          {"state", health()},
          {"error_message", last_failure_.empty() ? ordered_json() : ordered_json(last_failure_)},
          {"pipeline_ready", !loading()},
          {"active_streams", streams_.size()},
          {"startup_complete", !loading()},
          {"pipeline_state", health()},
          {"additional_info", ordered_json::object()}};
}

void Worker::shut_down(std::function<void()> done) {
  when_empty_ = std::move(done);
  if (streams_.empty()) boost::asio::post(io_, when_empty_);
  for (const auto& [name, stream] : streams_) stream->stop([] {});
}

}  // namespace trickle::worker
