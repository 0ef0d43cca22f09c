#include "bench/spawn.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

#include "base/try.h"
#include "io/clock.h"

extern char** environ;

namespace trickle::bench {
namespace {

std::chrono::nanoseconds as_duration(const timeval& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (const auto& text : texts) list.push_back(const_cast<char*>(text.c_str()));
  list.push_back(nullptr);
  return list;
}

class FileActions {
 public:
  FileActions() { ::posix_spawn_file_actions_init(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  void use(int fd, int target, int flags) {
    if (fd >= 0) {
      ::posix_spawn_file_actions_adddup2(&actions_, fd, target);
    } else if (target != STDERR_FILENO) {
      ::posix_spawn_file_actions_addopen(&actions_, target, "/dev/null", flags, 0);
    }
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

}  // namespace

Program::Program(Program&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}

Program& Program::operator=(Program&& other) noexcept {
  end();
  pid_ = std::exchange(other.pid_, -1);
  return *this;
}

Program::~Program() { end(); }

void Program::end() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  wait();
}

Ended Program::wait() {
  Ended ended;
  rusage usage{};
  while (::wait4(pid_, &ended.status, 0, &usage) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  ended.well = WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == 0;
  ended.cpu = as_duration(usage.ru_utime) + as_duration(usage.ru_stime);
  return ended;
}

Result<Program> Program::start(const std::vector<std::string>& arguments, Streams streams,
                               const std::vector<std::string>& settings) {
  std::vector<std::string> environment = settings;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  FileActions files;
  files.use(streams.in, STDIN_FILENO, O_RDONLY);
  files.use(streams.out, STDOUT_FILENO, O_WRONLY);
  files.use(streams.err, STDERR_FILENO, O_WRONLY);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, arguments[0].c_str(), files.get(), nullptr,
                                   pointers(arguments).data(), pointers(environment).data());
  if (error == 0) return Program(pid);
  return unexpected(ErrorKind::kUsage,
                    fmt::format("cannot start {}: {}", arguments[0], std::strerror(error)));
}

Result<Ended> run_program(const std::vector<std::string>& arguments, Streams streams) {
  TRICKLE_TRY_ASSIGN(Program program, Program::start(arguments, streams));
  const Ended ended = program.wait();
  if (ended.well) return ended;
  return unexpected(ErrorKind::kInternal,
                    fmt::format("{} failed (wait status {:#x})", arguments[0], ended.status));
}

std::string program_beside(const std::string& name) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error && std::filesystem::exists(self.parent_path() / name, error))
    return (self.parent_path() / name).string();
  return name;
}

Result<ServerProgram> ServerProgram::start(std::vector<std::string> arguments) {
  char directory[] = "/tmp/trickle-bench.XXXXXX";
  if (::mkdtemp(directory) == nullptr) return unexpected(ErrorKind::kIo, "cannot make a directory in /tmp");
  const std::string port_file = std::string(directory) + "/port";
  arguments.insert(arguments.end(), {"--port-file", port_file});
  ServerProgram server;
  auto program = Program::start(arguments);
  const TimePoint deadline = system_clock().now() + std::chrono::seconds(10);
  while (program && server.port == 0 && system_clock().now() < deadline) {
    std::ifstream(port_file) >> server.port;
    if (server.port == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  if (!program) return unexpected(std::move(program).error());
  server.program = std::move(*program);
  if (server.port == 0) {
    return unexpected(ErrorKind::kNetwork,
                      fmt::format("{} did not begin to listen within 10 s", arguments[0]));
  }
  return server;
}

}  // namespace trickle::bench
