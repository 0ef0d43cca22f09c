// Calls a FrameProcessor for a stream, and keeps its failures from ending it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/once_a_second.h"
#include "fx/frame_pool.h"
#include "trickle/frame_processor.h"

namespace trickle {

/// Where a processor's documents go while a stream runs. Called from any thread.
class ProcessorOutlet {
 public:
  virtual ~ProcessorOutlet() = default;
  virtual void emit_data(std::string json) = 0;
  virtual void emit_event(std::string json) = 0;
};

/// What a processor shares with the host that runs it.
struct FrameProcessor::Link {
  std::mutex mutex;  // Held during emissions, so that no outlet is used after it was taken away.
  ProcessorOutlet* outlet = nullptr;
  std::mutex load_mutex;
  bool loaded = false;
};

/// Belongs to the thread that processes, but for the counts.
class ProcessorHost {
 public:
  /// Both must outlive the host. `on_failure` is told a sentence, once a second at most.
  ProcessorHost(FrameProcessor& processor, ProcessorOutlet& outlet,
                std::function<void(const std::string&)> on_failure);
  ~ProcessorHost();
  ProcessorHost(const ProcessorHost&) = delete;
  ProcessorHost& operator=(const ProcessorHost&) = delete;

  /// load(), if that has not been done yet by any host. From any thread.
  static Result<void> load(FrameProcessor& processor);
  /// \return what keeps the stream from starting.
  Result<void> start(const Params& params);
  void update(const Params& params);
  void stop();

  [[nodiscard]] bool processes_audio() const { return audio_; }
  /// What takes the place of a picture: after a failure, or when it is withheld, the picture itself.
  [[nodiscard]] std::vector<VideoFrame> video(VideoFrame frame);
  [[nodiscard]] AudioOutput audio(const AudioFrame& frame);

  struct Counts {
    std::atomic<uint64_t> failed{0}, withheld{0}, left_out{0};
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  void attach(ProcessorOutlet* outlet);
  VideoFrame writable(VideoFrame frame);
  void failed(const Error& error);

  FrameProcessor& processor_;
  ProcessorOutlet& outlet_;
  std::function<void(const std::string&)> on_failure_;
  bool in_place_ = false;
  bool audio_ = false;
  bool started_ = false;
  fx::FramePool pool_;
  OnceASecond reports_;
  Counts counts_;
};

}  // namespace trickle
