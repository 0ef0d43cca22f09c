// What a process uses, as /proc tells it.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace trickle::worker {

/// Resident memory in bytes; 0 when the process is gone.
[[nodiscard]] uint64_t resident_bytes(pid_t pid);

}  // namespace trickle::worker
