// One running stream: its chain of processes, its parameters, its numbers and its end.
//
// The end of a stream, whatever brought it about, is always the same: the chain is gone, `stream_stopped` has
// reached the events channel, and then the published channel is closed with DELETE, exactly once, here.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "io/clock.h"
#include "pipeline/chain.h"
#include "pipeline/message_channel.h"
#include "worker/effect_policy.h"
#include "worker/start_request.h"
#include "worker/stream_plan.h"

namespace trickle::worker {

class SideChannels;
class JsonPublisher;
class JsonSubscriber;

/// Closes a channel with DELETE and calls `done` on the thread of the io_context, whatever came of it
/// `within` that time.
using ChannelCloser =
    std::function<void(const std::string& url, std::chrono::milliseconds within, std::function<void()> done)>;

/// Streams that run in this process instead of as programs; all null: as programs.
struct LocalParts {
  std::function<std::unique_ptr<pipeline::StreamChain>(boost::asio::io_context&, const StartRequest&,
                                                       pipeline::ChainCallbacks)>
      make_chain;
  std::function<std::unique_ptr<JsonPublisher>(boost::asio::io_context&, const std::string& url,
                                               pipeline::MessageKind)>
      make_publisher;
  std::function<std::unique_ptr<JsonSubscriber>(boost::asio::io_context&, const std::string& url,
                                                std::function<void(const nlohmann::json&)> on_document,
                                                std::function<void(const std::string&)> on_junk)>
      make_subscriber;
};

struct StreamOptions {
  std::string pipeline = "byoc";  ///< Named in the status events.
  PlanOptions plan;
  pipeline::ChainOptions chain;
  ChannelCloser close_channel;
  LocalParts local;
  /// Told of each channel that is published, when it begins and when it has been closed.
  std::function<void(const std::string&url)> on_channel_open, on_channel_closed;
  uint64_t memory_bytes = 0;  ///< Private memory that all processes of a stream may have; 0: no limit.
  EffectRules effects;
  /// From stop() to the end, whatever the servers do: the chain gets most of it, and what it has left over
  /// goes to the last events and to DELETE.
  std::chrono::milliseconds stop_deadline{2000};
};

/// Frames, rates and losses of a stream since its start.
struct StreamNumbers {
  double ingress_video_fps = 0, ingress_audio_fps = 0, egress_video_fps = 0, egress_audio_fps = 0;
  uint64_t frames_in = 0, frames_out = 0;
  uint64_t width = 0, height = 0;
  double latency_p50_ms = 0, latency_p99_ms = 0;  ///< Sum over the stages.
  uint64_t bytes_published = 0;
  std::map<std::string, uint64_t> drops;
};

/// Belongs to the thread that runs the io_context.
class Stream {
 public:
  /// `on_ended` is called once, when nothing of the stream is left but this object.
  Stream(boost::asio::io_context& io, StartRequest request, StreamOptions options,
         std::function<void()> on_ended);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void start();
  /// Flushes and ends the stream. `done` is called once it has ended; any number of calls may wait for it.
  void stop(std::function<void()> done);
  /// Applies an update, all of it or nothing. \return warnings, or kUsage with what was wrong.
  Result<std::vector<std::string>> update(const nlohmann::json& update);

  void send_signal(int signal);

  [[nodiscard]] const StartRequest& request() const { return request_; }
  [[nodiscard]] const StreamParams& params() const { return params_; }
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] bool failed() const { return failed_; }
  /// ONLINE, OFFLINE, DEGRADED_INPUT, DEGRADED_INFERENCE or ERROR, as gateways know them.
  [[nodiscard]] const char* state() const;
  [[nodiscard]] const std::string& last_error() const;
  /// When things happened, Unix time; zero for what has not happened.
  struct Times {
    std::chrono::milliseconds started{0}, input{0}, output{0}, error{0}, restart{0}, state{0};
  };
  [[nodiscard]] const Times& times() const { return times_; }
  [[nodiscard]] uint64_t restarts() const;
  [[nodiscard]] StreamNumbers numbers() const;
  /// Everything about it, for status and /api/streams.
  [[nodiscard]] nlohmann::ordered_json status() const;

 private:
  void on_numbers();
  void on_restart(const std::string& reason);
  void on_chain_end(const pipeline::ChainEnd& end);
  void on_control(const nlohmann::json& document);
  void on_effect_line(std::string_view line);
  void show_loading();
  void note_state();
  void watch_memory();
  void set_error(const std::string& error);
  void close();
  void finish();
  [[nodiscard]] std::chrono::milliseconds left_of_stop(double share,
                                                       std::chrono::milliseconds otherwise) const;

  boost::asio::io_context& io_;
  StartRequest request_;
  log::StreamLog log_;
  StreamParams params_;
  StreamOptions options_;
  std::function<void()> on_ended_;
  std::vector<std::function<void()>> waiting_for_end_;
  std::unique_ptr<pipeline::StreamChain> chain_;
  std::unique_ptr<SideChannels> side_;
  TimePoint started_at_;
  TimePoint last_input_at_;
  TimePoint last_output_at_;
  TimePoint memory_checked_at_;
  TimePoint stopped_at_;
  Times times_;
  std::string noted_state_;
  uint64_t input_bytes_ = 0;        // Of the running trickle-sub.
  uint64_t output_bytes_ = 0;       // Of the running trickle-pub.
  uint64_t frames_at_restart_ = 0;  // What had gone out when the chain was last restarted.
  bool restarting_ = false;         // Restarted, and no frame has come out since.
  bool had_input_ = false;
  bool had_output_ = false;
  bool stopping_ = false;
  bool ended_ = false;
  bool failed_ = false;
  std::string last_error_;
};

}  // namespace trickle::worker
