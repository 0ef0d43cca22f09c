#include "io/machine.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace trickle {
namespace {

constexpr uint64_t kUnlimited = UINT64_MAX;

// "max", a missing file and nonsense are no limit.
uint64_t limit_in(const std::string& file) {
  std::ifstream in(file);
  uint64_t bytes = 0;
  return in >> bytes && bytes > 0 ? bytes : kUnlimited;
}

// A group's limit binds all groups below it. A container may not see the path of its group: then its own is
// mounted as the root.
uint64_t smallest_limit(const std::string& root, std::string path, const std::string& file) {
  uint64_t smallest = limit_in(root + "/" + file);
  while (path.size() > 1) {
    smallest = std::min(smallest, limit_in(root + path + "/" + file));
    path.erase(path.rfind('/'));
  }
  return smallest;
}

}  // namespace

uint64_t control_group_memory_bytes(std::string_view membership, const std::string& root) {
  uint64_t smallest = kUnlimited;
  std::istringstream lines{std::string(membership)};
  for (std::string line; std::getline(lines, line);) {  // NUMBER:CONTROLLERS:/PATH
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos || line.compare(second + 1, 1, "/") != 0) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) {
      smallest = std::min(smallest, smallest_limit(root, path, "memory.max"));
    } else if ((',' + controllers + ',').find(",memory,") != std::string::npos) {
      smallest = std::min(smallest, smallest_limit(root + "/memory", path, "memory.limit_in_bytes"));
    }
  }
  return smallest;
}

uint64_t usable_memory_bytes() {
  const auto pages = static_cast<uint64_t>(std::max(::sysconf(_SC_PHYS_PAGES), 1L));
  const uint64_t machine = pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  std::ostringstream membership;
  membership << std::ifstream("/proc/self/cgroup").rdbuf();
  return std::min(machine, control_group_memory_bytes(membership.str(), "/sys/fs/cgroup"));
}

size_t usable_cores() {
  cpu_set_t cores;
  if (::sched_getaffinity(0, sizeof cores, &cores) != 0) return 1;  // More than 1,024 of them.
  return std::max<size_t>(1, static_cast<size_t>(CPU_COUNT(&cores)));
}

size_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  if (before == limit.rlim_max || ::setrlimit(RLIMIT_NOFILE, &limit) == 0) return limit.rlim_max;
  return before;
}

}  // namespace trickle
