#include "cli/stats_reporter.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <span>
#include <system_error>
#include <thread>

#include "base/log.h"
#include "cli/stats.h"
#include "io/clock.h"
#include "io/fd_io.h"
#include "io/unique_fd.h"

namespace trickle::cli {
namespace {

constexpr char kClearLine[] = "\r\x1b[K";

void clear_status_line() {
  [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, kClearLine, sizeof kClearLine - 1);
}

Result<UniqueFd> open_destination(const std::string& destination) {
  if (destination.empty()) return UniqueFd();
  int fd = -1;
  if (destination.starts_with("fd:")) {
    const auto [end, error] =
        std::from_chars(destination.data() + 3, destination.data() + destination.size(), fd);
    if (error != std::errc() || *end != '\0' || ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
      return unexpected(ErrorKind::kUsage, fmt::format("--stats {}: no such open descriptor", destination));
    }
    return UniqueFd(fd);
  }
  fd = ::open(destination.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) {
    return unexpected(ErrorKind::kIo,
                      fmt::format("--stats {}: {}", destination, std::generic_category().message(errno)));
  }
  return UniqueFd(fd);
}

class ReporterThread final : public StatsReporter {
 public:
  ReporterThread(const StatsReporterOptions& options, UniqueFd destination, const Counters& counters)
      : destination_(std::move(destination)),
        show_line_(options.status_line),
        stats_(options.tool, counters, system_clock().now()),
        line_(options.tool, counters, system_clock().now()) {
    if (show_line_) log::set_line_hooks(clear_status_line, nullptr);
    if (destination_ || show_line_) thread_ = std::thread([this] { run(); });
  }
  ~ReporterThread() override { stop(); }

  void finish() override {
    stop();
    write_stats(true);
    if (show_line_) {
      log::set_line_hooks(nullptr, nullptr);
      clear_status_line();
      show_line_ = false;
    }
    destination_.reset();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!ended_.wait_for(lock, std::chrono::seconds(1), [this] { return stopping_; })) {
      write_stats(false);
      if (show_line_) write_status_line();
    }
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    ended_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  void write_stats(bool final) {
    // A reader that stands still must not hold the tool up: its next line will say it all again.
    if (!destination_ || !writable_now(destination_.get())) return;
    const std::string line = stats_.json_line(system_clock().now(), unix_time(), final);
    if (auto written = write_full(destination_.get(), std::as_bytes(std::span(line))); !written) {
      if (written.error().kind() != ErrorKind::kClosed) {
        log::warning("statistics end here: {}", written.error().to_string());
      }
      destination_.reset();
    }
  }

  void write_status_line() {
    const std::string text = kClearLine + line_.status_line(system_clock().now());
    [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, text.data(), text.size());
  }

  UniqueFd destination_;
  bool show_line_;
  StatsWriter stats_;
  StatsWriter line_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<StatsReporter>> StatsReporter::start(const StatsReporterOptions& options,
                                                            const Counters& counters) {
  auto destination = open_destination(options.destination);
  if (!destination) return unexpected(std::move(destination).error());
  return std::unique_ptr<StatsReporter>(
      std::make_unique<ReporterThread>(options, *std::move(destination), counters));
}

}  // namespace trickle::cli
