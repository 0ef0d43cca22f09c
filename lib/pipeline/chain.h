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
#include <string_view>
#include <vector>

#include "io/clock.h"
#include "pipeline/stage.h"

namespace trickle::pipeline {

struct ChainOptions {
  log::StreamLog log;
  ChildLimits limits;                       ///< Of each process.
  std::filesystem::path program_directory;  ///< See find_program().
  /// Hands over what was started for such stages already. May be empty.
  std::function<WarmChain(const std::vector<StagePlan>&)> take_warm;
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
  std::function<void(const std::string& reason)> on_restart;   ///< All stages have just been started again.
  std::function<void(std::string_view line)> on_stage_line{};  ///< A stage told something on --events.
  std::function<void()> on_numbers;                            ///< Some stage reported new numbers.
  std::function<void(const ChainEnd&)> on_end;                 ///< Once; no process of the chain is left.
  // Of chains in this process only: what a processor emits, as JSON.
  std::function<void(const std::string& json)> on_data{};
  std::function<void(const std::string& json)> on_event{};
};

/// What a stream needs of its chain, wherever that runs. Belongs to the thread that runs the io_context.
class StreamChain {
 public:
  StreamChain() = default;
  virtual ~StreamChain() = default;
  StreamChain(const StreamChain&) = delete;
  StreamChain& operator=(const StreamChain&) = delete;

  /// Starts the stages; failure to do so ends the chain (on_end), as does everything else.
  virtual void start() = 0;
  /// Ends the source, lets the rest drain until the deadline. Calling it again changes nothing.
  virtual void stop() = 0;
  /// Sends a line to the control pipe of the stage `program`, if that runs and has one.
  virtual void control(const std::string& program, const std::string& line) = 0;
  /// Tells of parameters as they came, a JSON object, in addition to what control() makes of them.
  virtual void update(const std::string&) {}
  /// Sends a signal to every process of the chain.
  virtual void send_signal(int signal) = 0;
  /// Restarts the chain as if a stage had died, within the same budget; for rules that others watch over.
  virtual void restart(const std::string& reason) = 0;

  [[nodiscard]] virtual std::vector<StageStatus> status() const = 0;
  [[nodiscard]] virtual uint64_t restarts() const = 0;
};

/// Makes the stages for a start; `restarted` is false for the first one. Called for each start, so that a
/// restart uses the newest parameters. The order is that of the pipe.
using ChainPlanner = std::function<std::vector<StagePlan>(bool restarted)>;

/// Belongs to the thread that runs the io_context (see child.h for which thread may start children). Dying,
/// it kills its children.
class Chain final : public StreamChain {
 public:
  Chain(boost::asio::io_context& io, ChainPlanner planner, ChainOptions options, ChainCallbacks callbacks,
        const Clock& clock = system_clock());
  ~Chain() override;

  void start() override;
  void stop() override;
  void control(const std::string& program, const std::string& line) override;
  void send_signal(int signal) override;
  void restart(const std::string& reason) override;

  [[nodiscard]] std::vector<StageStatus> status() const override;
  [[nodiscard]] uint64_t restarts() const override;
  [[nodiscard]] const std::string& last_error() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace trickle::pipeline
