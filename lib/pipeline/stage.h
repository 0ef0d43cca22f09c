// One running stage of a chain: the child process with its log, its statistics and its control pipe.
#pragma once

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "io/fd_io.h"
#include "pipeline/child.h"
#include "pipeline/exit_rule.h"
#include "pipeline/hang_watch.h"
#include "pipeline/stage_numbers.h"
#include "trickle/result.h"

namespace trickle::pipeline {

/// What to start for a stage. `--stats fd:N` and, where the flags say so, `--control fd:N`, `--ready fd:N`,
/// `--events fd:N` and `--timeline fd:N` are added.
struct StagePlan {
  std::string program;  ///< "trickle-sub"; also its name in logs and status.
  StageRole role = StageRole::kFilter;
  std::vector<std::string> arguments;                            ///< Nothing secret: ps shows them.
  std::vector<std::pair<std::string, std::string>> environment;  ///< URLs and tokens.
  bool has_control = false;
  bool tells_ready = false;  ///< It has --ready: says when what it has to load is loaded.
  bool tells_events =
      false;  ///< It has --events: says what happens in it, and what belongs on the data channel.
  /// It has --timeline: what one run leaves behind there, the next one begins with.
  bool has_timeline = false;
  /// A process that was started beforehand with `spare_arguments` does as well, once it has been sent
  /// `spare_settings` on its control pipe; no arguments: none does.
  std::vector<std::string> spare_arguments{};
  std::string spare_settings{};
};

struct StageStart {
  log::StreamLog log;  ///< Gets each line that the child logs.
  ChildLimits limits;
  std::filesystem::path program_directory;  ///< See find_program().
  UniqueFd standard_input, standard_output;
  std::string timeline;              ///< What set_timeline() would set before it starts.
  std::function<void()> on_exit;     ///< After everything the child wrote has been handled.
  std::function<void()> on_numbers;  ///< A new line of statistics has come.
  std::function<void()> on_ready;    ///< It has told that it is ready.
  std::function<void(std::string_view line)> on_event;  ///< A line of its events.
};

/// Belongs to the thread that runs the io_context. Dying, it kills the child.
class Stage {
 public:
  /// \return kNotFound when the program is missing, kIo when it can't be started.
  static Result<std::unique_ptr<Stage>> start(boost::asio::io_context& io, const StagePlan& plan,
                                              StageStart start);
  virtual ~Stage() = default;

  [[nodiscard]] virtual const std::string& name() const = 0;
  [[nodiscard]] virtual StageRole role() const = 0;
  [[nodiscard]] virtual pid_t pid() const = 0;
  /// Empty while it runs.
  [[nodiscard]] virtual const std::optional<ChildExit>& exit() const = 0;
  /// Gives it over to another owner: log and callbacks of `start` take the place of those before.
  virtual void adopt(StageStart start) = 0;
  /// True once a stage that tells has told.
  [[nodiscard]] virtual bool ready() const = 0;

  /// What there is to see of it now, for the watch over hangs.
  [[nodiscard]] virtual StageSigns signs() const = 0;
  /// Whether the next stage's input is still open: see Child::holds_output().
  [[nodiscard]] virtual bool holds_output() const = 0;
  [[nodiscard]] virtual const StageNumbers& numbers() const = 0;
  /// "trickle-pub ended with exit code 5: the server did not answer", with the last error line it logged.
  [[nodiscard]] virtual std::string describe_exit() const = 0;

  /// What stands in its timeline, also after its end; empty without one.
  [[nodiscard]] virtual std::string timeline() const = 0;
  /// Puts there what another run left behind. It counts if the stage has not been given media yet.
  virtual void set_timeline(const std::string& bytes) = 0;

  virtual void send_signal(int signal) = 0;
  /// Sends a line of settings to its control pipe, if it has one; the newest of a burst wins.
  virtual void control(const std::string& line) = 0;
};

/// Of the pipes between stages. Two 720p frames: less would make each frame several wake-ups, more would only
/// add delay.
inline constexpr size_t kJointBytes = 1 << 20;

/// What was started before the chain it will belong to: for each stage of the plan the process, or null where
/// it has yet to be started; and the pipes from each stage to the next. Both empty: nothing was.
struct WarmChain {
  std::vector<std::unique_ptr<Stage>> stages;
  std::vector<Pipe> joints;
};

}  // namespace trickle::pipeline
