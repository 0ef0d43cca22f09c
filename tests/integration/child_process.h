// A program run by a test: its standard input and output as pipes, what it says on standard error kept.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "io/unique_fd.h"

namespace trickle::testing {

class ChildProcess {
 public:
  /// `arguments[0]` is the name of one of our programs. Killed, if need be, when this object goes.
  explicit ChildProcess(std::vector<std::string> arguments);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// To standard input; waits where the program does. \return false when it reads no more.
  bool write(std::string_view bytes);
  void close_input() { input_.reset(); }
  [[nodiscard]] int input() const { return input_.get(); }

  /// What came on standard output so far.
  [[nodiscard]] std::string output() const;
  [[nodiscard]] size_t output_bytes() const;
  /// Waits until standard output has so many bytes. \return false after `seconds`.
  bool wait_for_output(size_t bytes, int seconds = 60);

  [[nodiscard]] std::string log() const;
  /// Waits until the log holds `text`. \return the line it is in, or nothing after 30 s.
  std::string wait_for_log(std::string_view text);

  void signal(int number) const;
  /// \return the exit code, or 128 and the signal's number; -1 when it still runs after `seconds`.
  int wait(int seconds = 90);

 private:
  struct Sink {
    UniqueFd fd;
    std::string text;
  };
  void drain(Sink& sink);

  int pid_ = -1;
  UniqueFd input_;
  Sink output_, log_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::thread output_reader_, log_reader_;
};

}  // namespace trickle::testing
