#include "worker/process_usage.h"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace trickle::worker {
namespace {

// Fields 14 and 15 of /proc/PID/stat; the second one is a name in parentheses that may hold anything.
double cpu_seconds(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream rest(text.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) rest >> skipped;
  double user_ticks = 0;
  double system_ticks = 0;
  rest >> user_ticks >> system_ticks;
  return rest ? (user_ticks + system_ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK)) : 0;
}

}  // namespace

ProcessUsage process_usage(pid_t pid) {
  ProcessUsage usage;
  std::ifstream statm(fmt::format("/proc/{}/statm", pid));
  uint64_t total_pages = 0;
  uint64_t resident_pages = 0;
  uint64_t shared_pages = 0;
  if (!(statm >> total_pages >> resident_pages >> shared_pages)) return usage;
  const auto page_bytes = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  usage.resident_bytes = resident_pages * page_bytes;
  usage.private_bytes = (resident_pages - shared_pages) * page_bytes;
  usage.cpu_seconds = cpu_seconds(pid);
  return usage;
}

}  // namespace trickle::worker
