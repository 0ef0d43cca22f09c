#include "bench/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

#include "base/try.h"
#include "io/clock.h"

extern char** environ;

namespace trickle::bench {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

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

}  // namespace

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

std::string program_beside(const std::string& name) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (!error && fs::exists(self.parent_path() / name, error)) return (self.parent_path() / name).string();
  return name;
}

ChildProgram::ChildProgram(ChildProgram&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}

ChildProgram& ChildProgram::operator=(ChildProgram&& other) noexcept {
  end();
  pid_ = std::exchange(other.pid_, -1);
  return *this;
}

ChildProgram::~ChildProgram() { end(); }

void ChildProgram::end() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  wait();
}

int ChildProgram::wait() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return status;
}

Result<ChildProgram> ChildProgram::start(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, argv[0], &files, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&files);
  if (error != 0) {
    return unexpected(ErrorKind::kUsage,
                      fmt::format("cannot start {}: {}", arguments[0], std::strerror(error)));
  }
  return ChildProgram(pid);
}

Result<ServerProgram> ServerProgram::start(std::vector<std::string> arguments) {
  char directory[] = "/tmp/trickle-bench.XXXXXX";
  if (::mkdtemp(directory) == nullptr) return unexpected(ErrorKind::kIo, "cannot make a directory in /tmp");
  const std::string port_file = std::string(directory) + "/port";
  arguments.insert(arguments.end(), {"--port-file", port_file});
  ServerProgram server;
  auto program = ChildProgram::start(arguments);
  const TimePoint deadline = system_clock().now() + 10s;
  while (program && server.port == 0 && system_clock().now() < deadline) {
    std::ifstream(port_file) >> server.port;
    if (server.port == 0) std::this_thread::sleep_for(5ms);
  }
  std::error_code ignored;
  fs::remove_all(directory, ignored);
  if (!program) return unexpected(std::move(program).error());
  server.program = std::move(*program);
  if (server.port == 0) {
    return unexpected(ErrorKind::kNetwork,
                      fmt::format("{} did not begin to listen within 10 s", arguments[0]));
  }
  return server;
}

}  // namespace trickle::bench
