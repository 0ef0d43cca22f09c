// A whole stream in one process: subscribe, decode, process, encode, publish, with the channels beside it.
//
//   subscriber ─▶ decoder ─▶ queue ─▶ your FrameProcessor ─▶ queue ─▶ encoder ─▶ publisher
//
// Each step runs on a thread of its own; the queues are short and their policy is ClientOptions::on_lag. The
// documents on the events and data channel are those of trickle-api(7).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "trickle/codec_options.h"
#include "trickle/connection_options.h"
#include "trickle/export.h"
#include "trickle/frame_processor.h"
#include "trickle/params.h"
#include "trickle/publisher.h"
#include "trickle/result.h"

namespace trickle {

struct ClientOptions {
  std::string subscribe_url{};
  std::string publish_url{};         ///< Empty: frames are processed and let go.
  std::string control_url{};         ///< Each segment is a JSON object for update_params(). Empty: none.
  std::string events_url{};          ///< Empty: none.
  std::string data_url{};            ///< Takes what the processor emits. Empty: none.
  std::string stream_id = "stream";  ///< Named in events and log lines.
  Params params{};                   ///< For FrameProcessor::on_stream_start().
  ConnectionOptions connection{};

  DecodeOptions decode{};  ///< Size, rate and format that the processor gets. `audio` is not looked at.
  EncodeOptions encode{};
  bool keep_size = false;  ///< Pictures of another size than the first one's are scaled to that.
  /// When the processor or the server is too slow: wait, drop the oldest frames once they have waited for
  /// half a second (never sound), or fail.
  OnLag on_lag = OnLag::kBlock;
  Overlay overlay = Overlay::kPanel;
  size_t queue_frames = 8;  ///< Pictures that may wait for the processor; where they are dropped, 64 or more.
  std::chrono::milliseconds min_segment{1000};
  std::string start = "current";                       ///< See SubscriberOptions::start.
  std::chrono::milliseconds wait_for_channel{10'000};  ///< How long the channel may be missing at first.
  bool keep_channel = false;                           ///< Don't delete the published channel at the end.
};

/// What a stream has done so far.
struct ClientNumbers {
  uint64_t frames_in = 0;   ///< Pictures decoded.
  uint64_t frames_out = 0;  ///< Pictures encoded (or processed, where nothing is published).
  uint64_t audio_in = 0;    ///< Packets of sound.
  uint64_t audio_out = 0;
  uint64_t frames_failed = 0;  ///< Passed unchanged because the processor failed on them.
  uint64_t frames_withheld = 0;
  uint64_t frames_left_out = 0;  ///< VideoOutput::none().
  uint64_t dropped_lag = 0;      ///< The processor was too slow.
  uint64_t dropped_rate = 0;     ///< Above DecodeOptions::max_fps.
  uint64_t dropped_damaged = 0;  ///< Could not be decoded.
  uint64_t dropped_other = 0;
  uint64_t gaps = 0;  ///< Parts of the input that could not be had.
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;  ///< Acknowledged by the server.
  uint64_t segments_in = 0;
  uint64_t segments_out = 0;
  int width = 0;  ///< Of the newest picture that went out.
  int height = 0;
  std::chrono::microseconds latency_p50{0};  ///< From the last byte of a picture to its encoded packets.
  std::chrono::microseconds latency_p99{0};
};

/// Runs one stream. The processor is the caller's and must outlive run().
class TRICKLE_API Client {
 public:
  Client(FrameProcessor& processor, ClientOptions options);
  ~Client();  ///< Not while run() runs.
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Calls the processor's load() if nobody has, then works until the input ends or stop() is called; what
  /// has come in by then is processed and published, and the published channel is closed. The processor is
  /// called on the calling thread. Call once.
  /// \return kUsage for options that can't be, the error of load() or on_stream_start(), kNotFound when the
  /// channel does not exist, kRefused, kNetwork, kBadData when nothing could be decoded, ….
  Result<void> run();
  /// Ends run(). From any thread, also from the processor, also before run().
  void stop();
  /// What a document on the control channel would do. From any thread. \return kUsage when it is no object.
  Result<void> update_params(std::string_view json);
  /// From any thread.
  [[nodiscard]] ClientNumbers numbers() const;

 private:
  class TRICKLE_HIDDEN Impl;
  std::unique_ptr<Impl> impl_;
};

struct SimpleClientOptions {
  PixelFormat format =
      PixelFormat::kNone;  ///< What the function gets; kNone: the source's (as a rule yuv420p).
  DecodeOptions decode{};
  EncodeOptions encode{};
  ConnectionOptions connection{};
  OnLag on_lag = OnLag::kBlock;
  std::string start = "current";
  std::chrono::milliseconds wait_for_channel{10'000};
  /// The first SIGINT or SIGTERM ends the stream cleanly, the second the program. False: signals are yours.
  bool handle_signals = true;
};

/// Two URLs and a function: the shortest program.
class TRICKLE_API SimpleClient {
 public:
  SimpleClient(std::string subscribe_url, std::string publish_url, SimpleClientOptions options = {});
  ~SimpleClient();
  SimpleClient(const SimpleClient&) = delete;
  SimpleClient& operator=(const SimpleClient&) = delete;

  /// Applies `function` to every frame until the stream ends. It is void(VideoFrame&), which changes the
  /// frame in place, or returns a VideoFrame, a VideoOutput or a Result<VideoOutput> for a VideoFrame; with
  /// torch.h also torch::Tensor(torch::Tensor). \return as Client::run().
  template <typename F>
  Result<void> process(F function) {
    return run(adapt(AdaptTag{}, std::move(function)), nullptr);
  }
  /// The same for sound: AudioFrame in, a list of AudioFrame out.
  Result<void> process_audio(AudioFunction function) { return run({}, std::move(function)); }
  /// As Client's, from any thread.
  void stop();
  [[nodiscard]] ClientNumbers numbers() const;

 private:
  Result<void> run(VideoStep video, AudioFunction audio);
  class TRICKLE_HIDDEN Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace trickle
