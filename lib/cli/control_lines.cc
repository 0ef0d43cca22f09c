#include "cli/control_lines.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <thread>
#include <utility>

#include "base/log.h"
#include "io/fd_io.h"
#include "io/stop.h"
#include "io/unique_fd.h"

namespace trickle::cli {
namespace {

constexpr size_t kMaxLineBytes = 64 * 1024;

class LineThread final : public ControlLines {
 public:
  LineThread(UniqueFd fd, std::function<Result<void>(std::string_view)> on_line)
      : fd_(std::move(fd)), on_line_(std::move(on_line)), thread_([this] { run(); }) {}
  ~LineThread() override {
    stop_.request_stop();
    thread_.join();
  }

 private:
  void run() {
    std::array<std::byte, 4096> buffer;
    while (true) {
      const auto outcome = read_some(fd_.get(), buffer, stop_.token());
      if (!outcome || outcome->status != ReadStatus::kReady) return;
      pending_.append(reinterpret_cast<const char*>(buffer.data()), outcome->size_bytes);
      take_lines();
      if (pending_.size() > kMaxLineBytes) pending_.clear();
    }
  }

  void take_lines() {
    size_t begin = 0;
    for (size_t end = 0; (end = pending_.find('\n', begin)) != std::string::npos; begin = end + 1) {
      const std::string_view line = std::string_view(pending_).substr(begin, end - begin);
      if (line.empty()) continue;
      if (auto taken = on_line_(line); !taken) log::warning("--control: {}", taken.error().to_string());
    }
    pending_.erase(0, begin);
  }

  UniqueFd fd_;
  std::function<Result<void>(std::string_view)> on_line_;
  std::string pending_;
  StopSource stop_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<ControlLines>> ControlLines::start(
    const std::string& source, std::function<Result<void>(std::string_view)> on_line) {
  int fd = -1;
  const char* const last = source.data() + source.size();
  if (!source.starts_with("fd:") || std::from_chars(source.data() + 3, last, fd).ptr != last || fd < 0 ||
      ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
    return unexpected(ErrorKind::kUsage,
                      fmt::format("--control {}: no such open descriptor (write fd:N)", source));
  }
  return std::unique_ptr<ControlLines>(std::make_unique<LineThread>(UniqueFd(fd), std::move(on_line)));
}

}  // namespace trickle::cli
