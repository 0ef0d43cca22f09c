// What this process may use of its machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace trickle {

/// The machine's memory, or the limit of the control group that this process runs in (a container, a systemd
/// unit), if that is smaller. Thread-safe.
[[nodiscard]] uint64_t usable_memory_bytes();

/// The smallest memory limit on the way from a process's control group to the root, UINT64_MAX when there is
/// none. Knows both hierarchies.
/// \param membership  the text of /proc/self/cgroup.
/// \param root        where control groups are mounted, /sys/fs/cgroup.
[[nodiscard]] uint64_t control_group_memory_bytes(std::string_view membership, const std::string& root);

/// How many threads can run at the same time: the cores that this process may use. At least 1.
[[nodiscard]] size_t usable_cores();

/// Raises the limit of open descriptors to what the process may have at most: each connection costs one, and
/// the usual limit of 1,024 is soon reached. \return the limit in effect.
size_t raise_descriptor_limit();

}  // namespace trickle
