// The chain of the tools in one process: each stage on a thread of its own.
//
//   receive ═pipe═▶ decode ─queue─▶ process (the thread that calls run) ─queue─▶ encode ═pipe═▶ publish
//
// The stages end as programs in a pipe do: the end of the input travels down, the end of a reader travels up,
// and what was accepted is delivered. The stages are those of the tools, so bytes and losses are the same.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "io/unique_fd.h"
#include "pipeline/processor_host.h"
#include "pipeline/stage_role.h"
#include "trickle/client.h"

namespace trickle::pipeline {

/// Called from the chain's threads; they must not wait.
struct LocalChainCallbacks {
  std::function<void()> on_first_input{};  ///< The first byte of a segment has come.
  std::function<void()>
      on_first_output{};  ///< The first byte of the output has been handed to the publisher.
};

/// One stream. stop(), give_up(), update(), set_shape() and numbers() may be called from any thread.
class LocalChain {
 public:
  /// The host must outlive the chain. `timeline`: a file in which one chain leaves how far its timestamps
  /// came, and behind which the next one goes on (continuation.h); or none.
  LocalChain(ProcessorHost& host, ClientOptions options, LocalChainCallbacks callbacks,
             UniqueFd timeline = {});
  ~LocalChain();
  LocalChain(const LocalChain&) = delete;
  LocalChain& operator=(const LocalChain&) = delete;

  /// Processes until the input ends or stop() is called. Call once. \return why it ended if it failed.
  Result<void> run();
  /// After a run() that failed: where.
  [[nodiscard]] StageRole failed_stage() const;
  void stop();
  /// After stop(), when its time is over: what the server has not taken by now is lost.
  void give_up();
  /// Hands parameters to the processor before its next frame.
  void update(const Params& params);
  /// Size and rate from the next picture on.
  void set_shape(std::optional<PictureSize> size, std::optional<double> max_fps);
  [[nodiscard]] ClientNumbers numbers() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace trickle::pipeline
