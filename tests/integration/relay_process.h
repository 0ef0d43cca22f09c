// The real trickle-relay as a child process, for tests that attack it and look at what it costs.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "integration/raw_client.h"
#include "test_paths.h"

namespace trickle::testing {

/// Whether memory figures mean anything: sanitizers keep what was freed for a while.
constexpr bool sanitized() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#else
  return false;
#endif
}

/// \return false when the process may not have so many descriptors.
inline bool raise_descriptors(rlim_t wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max < wanted) return false;
  limit.rlim_cur = limit.rlim_max;
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

class RelayProcess {
 public:
  explicit RelayProcess(std::vector<std::string> options) {
    port_file_ = ::testing::TempDir() + "relay-" + std::to_string(::getpid()) + ".port";
    std::filesystem::remove(port_file_);
    std::vector<std::string> words{program(),     "--listen", "127.0.0.1:0", "--port-file", port_file_,
                                   "--log-level", "warning",  "--drain",     "100ms"};
    words.insert(words.end(), options.begin(), options.end());
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::execv(arguments[0], arguments.data());
      ::_exit(127);
    }
    wait_for_port();
  }
  ~RelayProcess() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    std::filesystem::remove(port_file_);
  }
  RelayProcess(const RelayProcess&) = delete;
  RelayProcess& operator=(const RelayProcess&) = delete;

  /// 0 when it did not start.
  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] size_t rss_bytes() const {
    std::ifstream statm("/proc/" + std::to_string(pid_) + "/statm");
    size_t total = 0;
    size_t resident = 0;
    statm >> total >> resident;
    return resident * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  }

  /// Asks until the page says so, or the deadline has come.
  [[nodiscard]] bool becomes(const std::string& page, const std::string& text) const {
    const auto deadline = std::chrono::steady_clock::now() + RawClient::kDeadline;
    while (std::chrono::steady_clock::now() < deadline) {
      RawClient client(port_);
      client.send("GET " + page + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      if (client.read_to_end().find(text) != std::string::npos) return true;
    }
    return false;
  }

  /// SIGTERM. \return its exit status, or 128 and the signal that killed it.
  int stop() {
    ::kill(pid_, SIGTERM);
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  // TRICKLE_BIN names another build's programs, as for the tests of the command line.
  static std::string program() {
    const char* folder = std::getenv("TRICKLE_BIN");
    return std::string(folder ? folder : TRICKLE_BIN_DIR) + "/trickle-relay";
  }

  void wait_for_port() {
    const auto deadline = std::chrono::steady_clock::now() + RawClient::kDeadline;
    while (port_ == 0 && std::chrono::steady_clock::now() < deadline) {
      std::ifstream(port_file_) >> port_;
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
        pid_ = -1;
        return;
      }
      std::this_thread::yield();
    }
  }

  std::string port_file_;
  pid_t pid_ = -1;
  uint16_t port_ = 0;
};

}  // namespace trickle::testing
