// A chain of child processes joined by pipes, and the rules by which it is kept alive.
//
//   source | filter | … | sink        e.g. trickle-sub | trickle-decode | trickle-fx | trickle-encode |
//   trickle-pub
//
// All stages start in parallel. When one dies or hangs (hang_watch.h), all are restarted (the sink is first
// given a moment to deliver what it holds), at most `restart_limit` times within `restart_window`; then the
// chain has failed. An end that no restart would mend (refused, not found, unusable: exit_rule.h) fails it at
// once. When the source comes to its end, the rest drains. The chain never touches a channel itself: closing
// the published channel with DELETE is left to its owner, once, after on_end.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/clock.h"
#include "pipeline/stage.h"

namespace trickle::pipeline {

struct ChainOptions {
  log::StreamLog log;
  ChildLimits limits;                       ///< Of each process.
  std::filesystem::path program_directory;  ///< See find_program().
  /// Where there is a process that was started by such a plan already, it is taken. May be empty.
  std::function<std::optional<WarmStage>(const StagePlan&)> take_warm;
  size_t restart_limit = 3;
  std::chrono::seconds restart_window{120};
  std::chrono::milliseconds stop_deadline{2000};  ///< After stop(): SIGTERM to what has not drained by then.
  std::chrono::milliseconds kill_delay{500};      ///< After that SIGTERM: SIGKILL.
  /// How long the sink may take to deliver what it holds before a restart.
  std::chrono::milliseconds sink_grace{1000};
  /// How long to wait for a better explanation when a stage ends by itself without having been killed: one
  /// that died beside it may be reaped later.
  std::chrono::milliseconds settle_time{200};
  HangLimits hang;                                ///< When a stage that lives counts as dead.
  std::chrono::milliseconds watch_interval{100};  ///< From one look for that to the next.
  std::chrono::seconds drain_deadline{30};        ///< After the end of input; what is left then is killed.
};

struct ChainEnd {
  enum class Kind { kEndOfInput, kStopped, kFailed };
  Kind kind;
  std::string error;  ///< What went wrong, for kFailed; otherwise empty.
};

struct StageStatus {
  std::string name;
  pid_t pid;
  bool running;
  StageNumbers now;     ///< Of the running process.
  StageNumbers totals;  ///< Counts since the chain first started, over all restarts.
};

/// Called from the io_context, never from inside a call into the Chain.
struct ChainCallbacks {
  std::function<void(const std::string& reason)> on_restart;  ///< All stages have just been started again.
  std::function<void()> on_numbers;                           ///< Some stage reported new numbers.
  std::function<void(const ChainEnd&)> on_end;                ///< Once; no process of the chain is left.
};

/// Makes the stages for a start; `restarted` is false for the first one. Called for each start, so that a
/// restart uses the newest parameters. The order is that of the pipe.
using ChainPlanner = std::function<std::vector<StagePlan>(bool restarted)>;

/// Belongs to the thread that runs the io_context (see child.h for which thread may start children). Dying,
/// it kills its children.
class Chain {
 public:
  Chain(boost::asio::io_context& io, ChainPlanner planner, ChainOptions options, ChainCallbacks callbacks,
        const Clock& clock = system_clock());
  ~Chain();
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;

  /// Starts the stages; failure to do so ends the chain (on_end), as does everything else.
  void start();
  /// Ends the source, lets the rest drain until the deadline. Calling it again changes nothing.
  void stop();
  /// Sends a line to the control pipe of the stage `program`, if that runs and has one.
  void control(const std::string& program, const std::string& line);
  /// Sends a signal to every process of the chain.
  void send_signal(int signal);
  /// Restarts the chain as if a stage had died, within the same budget; for rules that others watch over.
  void restart(const std::string& reason);

  [[nodiscard]] std::vector<StageStatus> status() const;
  [[nodiscard]] uint64_t restarts() const;
  [[nodiscard]] const std::string& last_error() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace trickle::pipeline
