// Other processes, seen from outside: what they cost, and which of them listens where (Linux's /proc).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "trickle/result.h"

namespace trickle::bench {

/// CPU time of all threads of a process since its start, user and system.
/// \return kIo when there is no such process.
Result<std::chrono::nanoseconds> cpu_time(pid_t pid);
/// CPU time of this process.
[[nodiscard]] std::chrono::nanoseconds own_cpu_time();

struct Memory {
  uint64_t rss_bytes = 0;
  uint64_t pss_bytes = 0;
};
/// \return kIo when it can't be read.
Result<Memory> memory_of(pid_t pid);

/// The process that listens on this TCP port. \return kNotFound when none of those we may look into does.
Result<pid_t> process_listening_on(uint16_t port);
/// The TCP port that this process listens on (the lowest, if several). \return kNotFound.
Result<uint16_t> port_of(pid_t pid);

/// Runs the calling process, or another one with all its threads, on these cores only; none: no change.
Result<void> pin(pid_t pid, const std::vector<int>& cores);

/// The program `name` beside the running executable, or else as PATH finds it.
[[nodiscard]] std::string program_beside(const std::string& name);

/// A program that was started, and is killed with this object.
class ChildProgram {
 public:
  ChildProgram() = default;
  ChildProgram(ChildProgram&& other) noexcept;
  ChildProgram& operator=(ChildProgram&& other) noexcept;
  ChildProgram(const ChildProgram&) = delete;
  ChildProgram& operator=(const ChildProgram&) = delete;
  ~ChildProgram();

  /// Starts it with stdin and stdout from and to /dev/null, and stderr ours.
  static Result<ChildProgram> start(const std::vector<std::string>& arguments);
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Waits for its end. \return its wait status.
  int wait();

 private:
  explicit ChildProgram(pid_t pid) : pid_(pid) {}
  void end();
  pid_t pid_ = -1;
};

/// A server program that was told to listen on a free port and to write that to a file.
struct ServerProgram {
  ChildProgram program;
  uint16_t port = 0;

  /// Appends `--port-file FILE` to the arguments and waits for the file.
  /// \return kNetwork when it has not come up after 10 s.
  static Result<ServerProgram> start(std::vector<std::string> arguments);
};

}  // namespace trickle::bench
