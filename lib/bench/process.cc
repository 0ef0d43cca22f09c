#include "bench/process.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "base/try.h"

namespace trickle::bench {
namespace {

namespace fs = std::filesystem;

std::chrono::nanoseconds read_clock(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

std::optional<pid_t> as_pid(const std::string& name) {
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return pid;
}

// Inode of each listening TCP socket and its port (proc(5), /proc/net/tcp; state 0A is LISTEN).
std::map<std::string, uint16_t> listening_sockets(const std::string& process) {
  std::map<std::string, uint16_t> found;
  for (const char* table : {"tcp", "tcp6"}) {
    std::ifstream file("/proc/" + process + "/net/" + table);
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
      std::istringstream fields(line);
      std::string slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode;
      fields >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> uid >> timeout >> inode;
      if (state != "0A") continue;
      const auto port = std::strtoul(local.substr(local.rfind(':') + 1).c_str(), nullptr, 16);
      found.emplace(inode, static_cast<uint16_t>(port));
    }
  }
  return found;
}

std::set<std::string> sockets_of(const std::string& process) {
  std::set<std::string> inodes;
  std::error_code error;
  for (auto entry = fs::directory_iterator("/proc/" + process + "/fd", error);
       !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::error_code unreadable;
    const std::string target = fs::read_symlink(entry->path(), unreadable).string();
    if (target.starts_with("socket:[")) inodes.insert(target.substr(8, target.size() - 9));
  }
  return inodes;
}

// proc(5), /proc/PID/stat: the second field is a name in parentheses that may hold anything.
struct ProcessStat {
  pid_t parent = 0;
  std::chrono::nanoseconds cpu{0};  // With that of the children it has waited for.
};

std::optional<ProcessStat> read_stat(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  std::string state, skipped;
  ProcessStat stat;
  fields >> state >> stat.parent;
  for (int field = 5; field < 14; ++field) fields >> skipped;
  int64_t user = 0, system = 0, children_user = 0, children_system = 0;
  fields >> user >> system >> children_user >> children_system;
  const int64_t ticks = user + system + children_user + children_system;
  stat.cpu = std::chrono::nanoseconds(ticks * (1'000'000'000 / ::sysconf(_SC_CLK_TCK)));
  return stat;
}

struct Process {
  pid_t pid;
  ProcessStat stat;
};

std::vector<Process> tree_of(pid_t root) {
  std::vector<Process> all;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const auto pid = as_pid(entry.path().filename().string());
    if (!pid) continue;
    if (const auto stat = read_stat(*pid)) all.push_back({*pid, *stat});
  }
  std::set<pid_t> known{root};
  for (bool grew = true; grew;) {
    grew = false;
    for (const Process& process : all) {
      if (known.contains(process.stat.parent)) grew |= known.insert(process.pid).second;
    }
  }
  std::erase_if(all, [&](const Process& process) { return !known.contains(process.pid); });
  return all;
}

}  // namespace

std::chrono::nanoseconds cpu_time_of_tree(pid_t pid) {
  std::chrono::nanoseconds sum{0};
  for (const Process& process : tree_of(pid)) sum += process.stat.cpu;
  return sum;
}

Memory memory_of_tree(pid_t pid) {
  Memory sum;
  for (const Process& process : tree_of(pid)) {
    const auto memory = memory_of(process.pid);
    if (!memory) continue;  // It has just ended.
    sum.rss_bytes += memory->rss_bytes;
    sum.pss_bytes += memory->pss_bytes;
  }
  return sum;
}

Result<std::chrono::nanoseconds> cpu_time(pid_t pid) {
  clockid_t clock{};
  if (const int error = ::clock_getcpuclockid(pid, &clock); error != 0) {
    return unexpected(ErrorKind::kIo,
                      fmt::format("no CPU time of process {}: {}", pid, std::strerror(error)));
  }
  return read_clock(clock);
}

std::chrono::nanoseconds own_cpu_time() { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

Result<Memory> memory_of(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/smaps_rollup", pid));
  Memory memory;
  std::string line;
  bool any = false;
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    std::string name;
    uint64_t kib = 0;
    fields >> name >> kib;
    if (name == "Rss:") memory.rss_bytes = kib * 1024, any = true;
    if (name == "Pss:") memory.pss_bytes = kib * 1024;
  }
  if (!any) return unexpected(ErrorKind::kIo, fmt::format("cannot read the memory of process {}", pid));
  return memory;
}

Result<pid_t> process_listening_on(uint16_t port) {
  std::set<std::string> wanted;
  for (const auto& [inode, listening] : listening_sockets("self")) {
    if (listening == port) wanted.insert(inode);
  }
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const auto pid = as_pid(entry.path().filename().string());
    if (!pid) continue;
    for (const auto& inode : sockets_of(std::to_string(*pid))) {
      if (wanted.contains(inode)) return *pid;
    }
  }
  return unexpected(ErrorKind::kNotFound, fmt::format("no process here is seen to listen on port {}", port));
}

Result<uint16_t> port_of(pid_t pid) {
  const std::string process = std::to_string(pid);
  const auto sockets = sockets_of(process);
  uint16_t lowest = 0;
  for (const auto& [inode, port] : listening_sockets(process)) {
    if (sockets.contains(inode) && (lowest == 0 || port < lowest)) lowest = port;
  }
  if (lowest == 0)
    return unexpected(ErrorKind::kNotFound, fmt::format("process {} listens on no TCP port", pid));
  return lowest;
}

Result<void> pin(pid_t pid, const std::vector<int>& cores) {
  if (cores.empty()) return {};
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) CPU_SET(static_cast<size_t>(core), &set);
  // Each thread by itself; those made later inherit it.
  std::error_code error;
  for (const auto& task : fs::directory_iterator(fmt::format("/proc/{}/task", pid), error)) {
    const auto thread = as_pid(task.path().filename().string());
    if (thread && ::sched_setaffinity(*thread, sizeof set, &set) != 0 && errno != ESRCH) {
      return unexpected(ErrorKind::kUsage,
                        fmt::format("cannot pin process {}: {}", pid, std::strerror(errno)));
    }
  }
  if (error)
    return unexpected(ErrorKind::kIo, fmt::format("cannot pin process {}: {}", pid, error.message()));
  return {};
}

}  // namespace trickle::bench
