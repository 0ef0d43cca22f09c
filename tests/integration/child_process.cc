#include "integration/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <stdexcept>

#include "io/fd_io.h"
#include "test_paths.h"

extern char** environ;

namespace trickle::testing {

ChildProcess::ChildProcess(std::vector<std::string> arguments) {
  std::signal(SIGPIPE, SIG_IGN);
  auto in = make_pipe();
  auto out = make_pipe();
  auto err = make_pipe();
  if (!in || !out || !err) throw std::runtime_error("no pipes left");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in->read_end.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out->write_end.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err->write_end.get(), STDERR_FILENO);
  const std::string path = std::string(TRICKLE_BIN_DIR) + "/" + arguments.at(0);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const int error = ::posix_spawn(&pid_, path.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error("can't run " + path);
  input_ = std::move(in->write_end);
  output_.fd = std::move(out->read_end);
  log_.fd = std::move(err->read_end);
  output_reader_ = std::thread([this] { drain(output_); });
  log_reader_ = std::thread([this] { drain(log_); });
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) {
    signal(SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  output_reader_.join();
  log_reader_.join();
}

void ChildProcess::drain(Sink& sink) {
  std::array<char, 65536> buffer{};
  while (true) {
    const ssize_t n = ::read(sink.fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    const std::lock_guard lock(mutex_);
    sink.text.append(buffer.data(), static_cast<size_t>(n));
    changed_.notify_all();
  }
}

bool ChildProcess::write(std::string_view bytes) {
  return write_full(input_.get(), std::as_bytes(std::span(bytes))).has_value();
}

std::string ChildProcess::output() const {
  const std::lock_guard lock(mutex_);
  return output_.text;
}

size_t ChildProcess::output_bytes() const {
  const std::lock_guard lock(mutex_);
  return output_.text.size();
}

bool ChildProcess::wait_for_output(size_t bytes, int seconds) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(seconds), [&] { return output_.text.size() >= bytes; });
}

std::string ChildProcess::log() const {
  const std::lock_guard lock(mutex_);
  return log_.text;
}

std::string ChildProcess::wait_for_log(std::string_view text) {
  std::unique_lock lock(mutex_);
  const auto line_end = [&] {
    const size_t at = log_.text.find(text);
    return at == std::string::npos ? at : log_.text.find('\n', at);
  };
  if (!changed_.wait_for(lock, std::chrono::seconds(30), [&] { return line_end() != std::string::npos; }))
    return {};
  const size_t begin = log_.text.rfind('\n', log_.text.find(text)) + 1;
  return log_.text.substr(begin, line_end() - begin);
}

void ChildProcess::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

int ChildProcess::wait(int seconds) {
  pollfd ended{static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)), POLLIN, 0};
  const UniqueFd owner(ended.fd);
  if (::poll(&ended, 1, seconds * 1000) <= 0) return -1;
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  // What it wrote last is read to its end, so that output() and log() are whole.
  output_reader_.join();
  log_reader_.join();
  output_reader_ = std::thread([] {});
  log_reader_ = std::thread([] {});
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace trickle::testing
