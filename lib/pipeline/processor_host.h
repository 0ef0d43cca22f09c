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
#include "fx/loading_panel.h"
#include "io/clock.h"
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
  /// For how long withheld frames are shown as they came before they show the loading panel.
  static constexpr std::chrono::milliseconds kPanelAfter{1500};

  /// All must outlive the host. `on_failure` is told a sentence, once a second at most.
  ProcessorHost(FrameProcessor& processor, ProcessorOutlet& outlet, Overlay overlay,
                std::function<void(const std::string&)> on_failure, const Clock& clock = system_clock());
  ~ProcessorHost();
  ProcessorHost(const ProcessorHost&) = delete;
  ProcessorHost& operator=(const ProcessorHost&) = delete;

  /// load(), if that has not been done yet by any host. From any thread.
  static Result<void> load(FrameProcessor& processor);
  /// \return what keeps the stream from starting.
  Result<void> start(const Params& params);
  /// What is the loading panel's in it (see fx::LoadingPanel) does not reach the processor when it is alone.
  void update(const Params& params);
  void stop();

  [[nodiscard]] bool processes_audio() const { return audio_; }
  /// What takes the place of a picture: after a failure the picture itself, as at first when it is withheld.
  [[nodiscard]] std::vector<VideoFrame> video(VideoFrame frame);
  [[nodiscard]] AudioOutput audio(const AudioFrame& frame);

  struct Counts {
    std::atomic<uint64_t> failed{0}, withheld{0}, left_out{0};
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  void attach(ProcessorOutlet* outlet);
  VideoFrame writable(VideoFrame frame);
  [[nodiscard]] VideoFrame withheld(VideoFrame frame) const;
  void failed(const Error& error);

  FrameProcessor& processor_;
  ProcessorOutlet& outlet_;
  const Overlay overlay_;
  std::function<void(const std::string&)> on_failure_;
  const Clock& clock_;
  fx::LoadingPanel panel_;
  TimePoint last_given_;  ///< When the processor last decided what becomes of a frame.
  bool in_place_ = false;
  bool audio_ = false;
  bool started_ = false;
  fx::FramePool pool_;
  OnceASecond reports_;
  Counts counts_;
};

}  // namespace trickle
