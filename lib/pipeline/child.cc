#include "pipeline/child.h"

#include "pipeline/boost_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include <boost/process/v2/posix/default_launcher.hpp>
#include <boost/process/v2/process.hpp>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <system_error>

extern char** environ;

namespace trickle::pipeline {
namespace {

namespace bp = boost::process::v2;

// What happens in the child between fork and exec. Only system calls: other threads may have held any lock.
class ChildSetup {
 public:
  ChildSetup(std::array<int, 3> standard, std::vector<int> handed, const ChildLimits& limits)
      : standard_(standard), handed_(std::move(handed)), limits_(limits), parent_(::getpid()) {}

  template <typename Launcher>
  bp::error_code on_setup(Launcher& launcher, const bp::filesystem::path&, const char* const*&) {
    launcher.fd_whitelist.insert(launcher.fd_whitelist.end(), handed_.begin(), handed_.end());
    return {};
  }

  template <typename Launcher>
  bp::error_code on_exec_setup(Launcher&, const bp::filesystem::path&, const char* const*&) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent_) ::_exit(EXIT_FAILURE);  // The parent died before it could be tied to us.
    ::setpgid(0, 0);
    reset_signals();
    if (!apply_limits()) return last_error();
    // Boost 1.81 leaves descriptors between those of its list open, so each one is marked here.
    if (::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) != 0) return last_error();
    for (int target = 0; target < 3; ++target) {
      if (::dup2(standard_[static_cast<size_t>(target)], target) < 0) return last_error();
    }
    for (const int fd : handed_) {
      if (::fcntl(fd, F_SETFD, 0) < 0) return last_error();
    }
    return {};
  }

  template <typename Launcher>
  void on_exec_error(Launcher&, const bp::filesystem::path&, const char* const*&, const bp::error_code&) {
    ::_exit(127);  // Never through our own exit handlers.
  }

 private:
  static bp::error_code last_error() { return {errno, boost::system::system_category()}; }

  static void reset_signals() {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &action, nullptr);
    action.sa_handler = SIG_IGN;
    ::sigaction(SIGUSR1, &action, nullptr);
    ::sigaction(SIGUSR2, &action, nullptr);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
  }

  [[nodiscard]] bool apply_limits() const {
    if (limits_.nice > 0 &&
        ::setpriority(PRIO_PROCESS, 0, ::getpriority(PRIO_PROCESS, 0) + limits_.nice) != 0)
      return false;
    const rlimit memory{limits_.memory_bytes, limits_.memory_bytes};
    return limits_.memory_bytes == 0 || ::setrlimit(RLIMIT_DATA, &memory) == 0;
  }

  std::array<int, 3> standard_;
  std::vector<int> handed_;
  ChildLimits limits_;
  pid_t parent_;
};

ChildExit decode_exit(int native) {
  if (WIFSIGNALED(native)) return {.code = 0, .signal = WTERMSIG(native)};
  return {.code = WEXITSTATUS(native), .signal = 0};
}

UniqueFd or_null_device(UniqueFd fd) {
  return fd ? std::move(fd) : UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC));
}

// What configures our tools, and what is said to this process only.
bool is_ours_alone(std::string_view entry) {
  constexpr std::array<std::string_view, 4> kOurs{"TRICKLE_", "ORCH_SECRET=", "NOTIFY_SOCKET=", "WATCHDOG_"};
  return std::any_of(kOurs.begin(), kOurs.end(), [&](auto start) { return entry.starts_with(start); });
}

bool is_executable(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

std::string ChildExit::to_string() const {
  if (signal != 0) return fmt::format("killed by signal {} ({})", signal, ::strsignal(signal));
  return fmt::format("exit code {}", code);
}

struct Child::State {
  // Emptied as soon as the process is reaped: from then on its number may be somebody else's.
  std::optional<bp::process> process;
  pid_t pid = -1;
  std::optional<ChildExit> exit;
  std::function<void(ChildExit)> on_exit;

  void reaped() {
    exit = decode_exit(process->native_exit_code());
    process.reset();
    if (auto notify = std::exchange(on_exit, nullptr)) notify(*exit);
  }
};

Result<std::unique_ptr<Child>> Child::start(boost::asio::io_context& io, ChildSpec spec,
                                            std::function<void(ChildExit)> on_exit) {
  const UniqueFd in = or_null_device(std::move(spec.standard_input));
  const UniqueFd out = or_null_device(std::move(spec.standard_output));
  const UniqueFd err = or_null_device(std::move(spec.standard_error));
  std::vector<int> handed;
  for (const UniqueFd& fd : spec.descriptors) handed.push_back(fd.get());
  std::vector<const char*> environment;
  for (const std::string& entry : spec.environment) environment.push_back(entry.c_str());
  environment.push_back(nullptr);

  bp::posix::default_launcher launcher;
  launcher.env = environment.data();
  bp::error_code failure;
  auto state = std::make_shared<State>();
  state->process.emplace(launcher(boost::asio::any_io_executor(io.get_executor()), failure, spec.program,
                                  spec.arguments,
                                  ChildSetup({in.get(), out.get(), err.get()}, handed, spec.limits)));
  if (failure) {
    // A child that could not exec has ended, and the launcher leaves reaping it to us.
    if (launcher.pid > 0) ::waitpid(launcher.pid, nullptr, 0);
    const bool missing = failure.value() == ENOENT;
    return unexpected(missing ? ErrorKind::kNotFound : ErrorKind::kIo,
                      fmt::format("can't start {}: {}", spec.program.string(), failure.message()));
  }
  state->pid = state->process->id();
  state->on_exit = std::move(on_exit);
  state->process->async_wait([state](bp::error_code, int) {
    if (state->process) state->reaped();
  });
  return std::unique_ptr<Child>(new Child(std::move(state)));
}

Child::Child(std::shared_ptr<State> state) : state_(std::move(state)) {}

Child::~Child() {
  state_->on_exit = nullptr;
  send_signal(SIGKILL);  // The pending wait reaps it; without a running io_context State's end does.
}

pid_t Child::pid() const { return state_->pid; }

void Child::send_signal(int signal) {
  if (state_->process) ::kill(state_->pid, signal);
}

const std::optional<ChildExit>& Child::exit() const { return state_->exit; }

bool Child::stopped() const {
  if (!state_->process) return false;
  siginfo_t info{};
  const auto id = static_cast<id_t>(state_->pid);
  // The state is left where it is: whoever waits for the end still sees that.
  return ::waitid(P_PID, id, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 && info.si_pid == state_->pid;
}

bool Child::has_unread_input() const {
  if (!state_->process) return false;
  // Opened for a moment only: a reader that stays would hide from the writer that the child is gone.
  const UniqueFd input(
      ::open(fmt::format("/proc/{}/fd/0", state_->pid).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  int bytes = 0;
  return input && ::ioctl(input.get(), FIONREAD, &bytes) == 0 && bytes > 0;
}

bool Child::holds_output() const {
  if (!state_->process) return false;
  std::array<char, 8> ignored{};
  return ::readlink(fmt::format("/proc/{}/fd/1", state_->pid).c_str(), ignored.data(), ignored.size()) > 0;
}

std::vector<std::string> child_environment(const std::vector<std::pair<std::string, std::string>>& extra) {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!is_ours_alone(*entry)) environment.emplace_back(*entry);
  }
  for (const auto& [name, value] : extra) environment.push_back(name + "=" + value);
  return environment;
}

Result<std::filesystem::path> find_program(const std::string& program,
                                           const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> places;
  if (!directory.empty()) {
    places.push_back(directory);
  } else {
    std::error_code unreadable;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", unreadable);
    if (!unreadable) places.push_back(self.parent_path());
    const char* path = std::getenv("PATH");
    std::string_view rest = path == nullptr ? "" : path;
    while (!rest.empty()) {
      const size_t end = rest.find(':');
      if (end != 0) places.emplace_back(rest.substr(0, end));
      rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
    }
  }
  for (const auto& place : places) {
    if (is_executable(place / program)) return place / program;
  }
  return unexpected(ErrorKind::kNotFound,
                    fmt::format("the program {} is neither {}", program,
                                directory.empty() ? "beside this one nor in PATH"
                                                  : "executable nor present in " + directory.string()));
}

}  // namespace trickle::pipeline
