#include "fx/exec_child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "base/try.h"

namespace trickle::fx {
namespace {

constexpr std::chrono::milliseconds kLastWords{1000};
constexpr std::chrono::milliseconds kPollInterval{5};

struct Pipe {
  UniqueFd read_end, write_end;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) {
    return unexpected(ErrorKind::kIo, fmt::format("no pipe: {}", std::generic_category().message(errno)));
  }
  constexpr int kFrameBytes = 1 << 20;
  ::fcntl(fds[1], F_SETPIPE_SZ, kFrameBytes);  // Fewer wake-ups for a frame; the usual size does too.
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// posix_spawn's two C objects, with what a child of ours needs: a process group of its own, and signals as
// usual.
class SpawnPlan {
 public:
  SpawnPlan(int standard_input, int standard_output) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_adddup2(&actions_, standard_input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, standard_output, STDOUT_FILENO);
    posix_spawnattr_init(&attributes_);
    sigset_t usual, none;
    sigemptyset(&usual);
    sigemptyset(&none);
    for (const int signal : {SIGPIPE, SIGINT, SIGTERM}) sigaddset(&usual, signal);
    posix_spawnattr_setsigdefault(&attributes_, &usual);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(&attributes_,
                             POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }

  Result<pid_t> shell(const std::string& command) {
    std::string name = "sh", option = "-c", text = command;
    std::array<char*, 4> arguments{name.data(), option.data(), text.data(), nullptr};
    pid_t pid = -1;
    const int failure = ::posix_spawn(&pid, "/bin/sh", &actions_, &attributes_, arguments.data(), environ);
    if (failure == 0) return pid;
    return unexpected(ErrorKind::kIo,
                      fmt::format("can't be started: {}", std::generic_category().message(failure)));
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

}  // namespace

Result<std::unique_ptr<ExecChild>> ExecChild::start(const std::string& command, const StreamInfo& info,
                                                    const EffectHost& host) {
  TRICKLE_TRY_ASSIGN(Pipe to_child, make_pipe());
  TRICKLE_TRY_ASSIGN(Pipe from_child, make_pipe());
  std::unique_ptr<ExecChild> child(new ExecChild);
  TRICKLE_TRY_ASSIGN(child->pid_,
                     SpawnPlan(to_child.read_end.get(), from_child.write_end.get()).shell(command));
  child->input_ = std::move(to_child.write_end);
  child->output_ = std::move(from_child.read_end);
  child->feeder_ = std::thread([raw = child.get(), host, info] { raw->feed(host, info); });
  child->collector_ = std::thread([raw = child.get(), host] { raw->collect(host); });
  return child;
}

ExecChild::~ExecChild() {
  kill_group();
  stop_.request_stop();
  close_input();
  {
    const std::lock_guard lock(mutex_);
    to_feed_.clear();
  }
  if (feeder_.joinable()) feeder_.join();
  if (collector_.joinable()) collector_.join();
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
}

void ExecChild::kill_group() {
  if (pid_ > 0) ::kill(-pid_, SIGKILL);
}

void ExecChild::feed(const EffectHost& host, const StreamInfo& info) {
  auto sink = host.open_frame_sink(input_.get(), info);
  Result<void> written = sink ? Result<void>() : Result<void>(unexpected(sink.error()));
  while (written) {
    std::unique_lock lock(mutex_);
    fed_.wait(lock, [&] { return !to_feed_.empty() || input_closed_; });
    if (to_feed_.empty()) break;
    VideoFrame frame = std::move(to_feed_.front());
    to_feed_.pop_front();
    lock.unlock();
    written = (*sink)->write(VideoItem{std::move(frame), {}});
  }
  if (written) written = (*sink)->finish();
  if (!written) log::debug("exec: the program's input ends: {}", written.error().to_string());
  input_.reset();
}

void ExecChild::collect(const EffectHost& host) {
  auto source = host.open_frame_source(output_.get(), stop_.token());
  while (source && *source) {
    Result<std::optional<FrameItem>> item = (*source)->read();
    if (!item || !*item) break;
    auto* video = std::get_if<VideoItem>(&**item);
    if (video == nullptr) continue;
    const std::lock_guard lock(mutex_);
    back_.push_back(std::move(video->frame));
    came_.notify_one();
  }
  const std::lock_guard lock(mutex_);
  output_ended_ = true;
  came_.notify_one();
}

void ExecChild::push(VideoFrame frame) {
  const std::lock_guard lock(mutex_);
  to_feed_.push_back(std::move(frame));
  fed_.notify_one();
}

std::optional<VideoFrame> ExecChild::take(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  came_.wait_until(lock, deadline, [&] { return !back_.empty() || output_ended_; });
  if (back_.empty()) return std::nullopt;
  VideoFrame frame = std::move(back_.front());
  back_.pop_front();
  return frame;
}

bool ExecChild::ended() {
  const std::lock_guard lock(mutex_);
  return output_ended_ && back_.empty();
}

void ExecChild::close_input() {
  const std::lock_guard lock(mutex_);
  input_closed_ = true;
  fed_.notify_one();
}

std::string ExecChild::wait() {
  int status = 0;
  const auto deadline = Clock::now() + kLastWords;
  bool killed = false;
  while (::waitpid(pid_, &status, killed ? 0 : WNOHANG) == 0) {
    if (Clock::now() > deadline) {
      kill_group();
      killed = true;
    } else {
      std::this_thread::sleep_for(kPollInterval);
    }
  }
  kill_group();
  pid_ = -1;
  if (killed) return "did not end and was killed";
  return WIFSIGNALED(status) ? fmt::format("was killed by signal {}", WTERMSIG(status))
                             : fmt::format("ended with exit code {}", WEXITSTATUS(status));
}

}  // namespace trickle::fx
