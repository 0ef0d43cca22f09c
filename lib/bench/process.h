// Processes seen from outside: what they cost, and which of them listens where (Linux's /proc). Those that we
// start ourselves: spawn.h.
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
/// CPU time of a process and all its descendants, those that have ended and been waited for included.
[[nodiscard]] std::chrono::nanoseconds cpu_time_of_tree(pid_t pid);
/// CPU time of this process.
[[nodiscard]] std::chrono::nanoseconds own_cpu_time();

struct Memory {
  uint64_t rss_bytes = 0;
  uint64_t pss_bytes = 0;
};
/// \return kIo when it can't be read.
Result<Memory> memory_of(pid_t pid);

/// Of a process and all its descendants.
[[nodiscard]] Memory memory_of_tree(pid_t pid);

/// The process that listens on this TCP port. \return kNotFound when none of those we may look into does.
Result<pid_t> process_listening_on(uint16_t port);
/// The TCP port that this process listens on (the lowest, if several). \return kNotFound.
Result<uint16_t> port_of(pid_t pid);

/// Runs the calling process, or another one with all its threads, on these cores only; none: no change.
Result<void> pin(pid_t pid, const std::vector<int>& cores);

}  // namespace trickle::bench
