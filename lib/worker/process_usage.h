// What a process uses, as /proc tells it.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace trickle::worker {

struct ProcessUsage {
  uint64_t resident_bytes = 0;  ///< All of it, shared memory too.
  uint64_t private_bytes = 0;   ///< Only what no other process has: anonymous memory.
  double cpu_seconds = 0;       ///< User and system time since it started.
};

/// Zeros when the process is gone.
[[nodiscard]] ProcessUsage process_usage(pid_t pid);

}  // namespace trickle::worker
