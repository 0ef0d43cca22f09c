// A program with frames on its standard input and output, and the threads that feed and read it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "fx/effect_host.h"
#include "io/stop.h"
#include "io/unique_fd.h"
#include "trickle/result.h"

namespace trickle::fx {

/// Belongs to one thread; dying, it kills the program and whatever that has started in its process group.
class ExecChild {
 public:
  using Clock = std::chrono::steady_clock;

  /// Starts `command` by /bin/sh. \return kIo when there are no more processes or descriptors to be had.
  static Result<std::unique_ptr<ExecChild>> start(const std::string& command, const StreamInfo& info,
                                                  const EffectHost& host);
  ExecChild(const ExecChild&) = delete;
  ExecChild& operator=(const ExecChild&) = delete;
  ~ExecChild();

  /// Hands over a frame, without waiting.
  void push(VideoFrame frame);
  /// The next frame that came back; nothing when none is there before `deadline`, or the program has ended.
  [[nodiscard]] std::optional<VideoFrame> take(Clock::time_point deadline);
  /// True when no more frames will come, and all that came were taken.
  [[nodiscard]] bool ended();
  /// Ends the program's input, after what was pushed: it may still give frames and will then end.
  void close_input();

  /// Waits for the program, killing it when it does not end by itself within a second. \return "ended with
  /// exit code 1", "was killed by signal 9".
  [[nodiscard]] std::string wait();
  [[nodiscard]] Clock::time_point started() const { return started_; }

 private:
  ExecChild() = default;
  void feed(const EffectHost& host, const StreamInfo& info);
  void collect(const EffectHost& host);
  void kill_group();

  pid_t pid_ = -1;
  UniqueFd input_, output_;
  StopSource stop_;
  Clock::time_point started_ = Clock::now();

  std::mutex mutex_;
  std::condition_variable fed_, came_;
  std::deque<VideoFrame> to_feed_, back_;
  bool input_closed_ = false;
  bool output_ended_ = false;
  std::thread feeder_, collector_;
};

}  // namespace trickle::fx
