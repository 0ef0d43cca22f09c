// One child process: started with exactly the descriptors it is given, reaped, and gone when we are.
//
// A child starts with default signal dispositions (but SIGUSR1 and SIGUSR2, which change a tool's log level,
// are ignored until it handles them) and an empty signal mask, in a process group of its own (a Ctrl-C on our
// terminal is ours to hand on), and is killed by the kernel when the thread that started it ends
// (PR_SET_PDEATHSIG). So call start() only from a thread that lives as long as the process. Everything else
// belongs to the thread that runs the io_context, too.
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/unique_fd.h"
#include "trickle/result.h"

namespace trickle::pipeline {

/// What a child may take from the others on the machine.
struct ChildLimits {
  int nice = 0;               ///< Added to our own niceness; 0 to 19.
  uint64_t memory_bytes = 0;  ///< Private memory it may allocate (RLIMIT_DATA); 0: no limit.
};

struct ChildSpec {
  std::filesystem::path program;       ///< A path; PATH is not searched.
  std::vector<std::string> arguments;  ///< Without argv[0]. Everybody can read them: nothing secret here.
  /// The whole environment, each entry "NAME=value".
  std::vector<std::string> environment;
  UniqueFd standard_input, standard_output, standard_error;  ///< /dev/null where none is given.
  std::vector<UniqueFd> descriptors;  ///< Handed over under the numbers they have here; each above 2.
  ChildLimits limits;
};

struct ChildExit {
  int code = 0;    ///< Exit code, when signal is 0.
  int signal = 0;  ///< What killed it, or 0.

  [[nodiscard]] bool clean() const { return code == 0 && signal == 0; }
  /// "exit code 5" or "killed by signal 9 (Killed)".
  [[nodiscard]] std::string to_string() const;
};

class Child {
 public:
  /// Starts the program. `on_exit` is called once, from the io_context, unless the Child died before.
  /// Our copies of the descriptors in `spec` are closed in any case.
  /// \return kNotFound when there is no such program, kIo when it can't be started for another reason.
  static Result<std::unique_ptr<Child>> start(boost::asio::io_context& io, ChildSpec spec,
                                              std::function<void(ChildExit)> on_exit);
  /// Kills the process if it still runs, and reaps it.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] pid_t pid() const;
  /// Nothing once it has ended.
  void send_signal(int signal);
  /// Empty until on_exit.
  [[nodiscard]] const std::optional<ChildExit>& exit() const;
  /// Whether a signal has stopped it (SIGSTOP), and none has let it go on.
  [[nodiscard]] bool stopped() const;
  /// Whether bytes that it has not read wait in the pipe on its standard input.
  [[nodiscard]] bool has_unread_input() const;
  /// Whether it could still write to its standard output: false as soon as its reader may have seen the end,
  /// which is earlier than on_exit.
  [[nodiscard]] bool holds_output() const;

 private:
  struct State;
  explicit Child(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

/// Our own environment without the variables that configure our tools (TRICKLE_*) or are for this process
/// only (ORCH_SECRET, NOTIFY_SOCKET, WATCHDOG_*), then `extra`.
std::vector<std::string> child_environment(const std::vector<std::pair<std::string, std::string>>& extra);

/// Where the programs of the chain lie: `directory` if it is not empty, else beside our own executable if
/// `program` is there, else in PATH.
/// \return kNotFound when it is in none of these places.
Result<std::filesystem::path> find_program(const std::string& program,
                                           const std::filesystem::path& directory);

}  // namespace trickle::pipeline
