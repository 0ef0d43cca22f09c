// Programs started and measured: what ran how long, and what CPU time it took.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "trickle/result.h"

namespace trickle::bench {

/// What a program's standard streams are; -1: /dev/null (for stderr: ours). Descriptors stay the caller's.
struct Streams {
  int in = -1;
  int out = -1;
  int err = -1;
};

struct Ended {
  bool well = false;  ///< Exit code 0.
  int status = 0;     ///< As of wait(2).
  std::chrono::nanoseconds cpu{0};
};

/// A running program; killed with this object. Movable.
class Program {
 public:
  Program() = default;
  Program(Program&& other) noexcept;
  Program& operator=(Program&& other) noexcept;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  /// \param settings  Variables for its environment, NAME=VALUE. \return kUsage when it can't be started.
  static Result<Program> start(const std::vector<std::string>& arguments, Streams streams = {},
                               const std::vector<std::string>& settings = {});
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Waits for its end. Call once.
  Ended wait();

 private:
  explicit Program(pid_t pid) : pid_(pid) {}
  void end();
  pid_t pid_ = -1;
};

/// Runs a program to its end. \return kInternal, with its name, when it ends with another code than 0.
Result<Ended> run_program(const std::vector<std::string>& arguments, Streams streams = {});

/// The program `name` beside the running executable, or else as PATH finds it.
[[nodiscard]] std::string program_beside(const std::string& name);

/// A server program that was told to listen on a free port and to write that to a file.
struct ServerProgram {
  Program program;
  uint16_t port = 0;

  /// Appends `--port-file FILE` to the arguments and waits for the file.
  /// \return kNetwork when it has not come up after 10 s.
  static Result<ServerProgram> start(std::vector<std::string> arguments);
};

}  // namespace trickle::bench
