#include "trickle/stream_publisher.h"

#include "base/log.h"
#include "base/try.h"
#include "io/fd_io.h"

namespace trickle {
namespace {

constexpr std::chrono::milliseconds kProbeTime{200};
constexpr size_t kReadBytes = size_t{64} * 1024;

const char* content_type_of(SplitMode::Kind kind) {
  switch (kind) {
    case SplitMode::Kind::kKeyframe:
      return "video/MP2T";
    case SplitMode::Kind::kLine:
      return "application/json";
    default:
      return "application/octet-stream";
  }
}

}  // namespace

Result<void> StreamPublisher::prepare() {
  if (options_.split.kind == SplitMode::Kind::kAuto) return {};
  return open(options_.split, content_type_of(options_.split.kind));
}

Result<void> StreamPublisher::open(const SplitMode& mode, const std::string& content_type) {
  options_.publisher.content_type = options_.content_type.empty() ? content_type : options_.content_type;
  TRICKLE_TRY_ASSIGN(publisher_, Publisher::open(options_.publisher));
  sink_.emplace(*publisher_);
  splitter_ = make_splitter(mode, options_.ts, system_clock());
  return {};
}

Result<void> StreamPublisher::copy(int fd, const StopToken& stop) {
  std::vector<std::byte> buffer(kReadBytes);
  while (true) {
    const std::array<int, 2> wakers{stop.fd(), publisher_ ? publisher_->failure_fd() : -1};
    switch (wait_readable(fd, wakers, deadline())) {
      case WaitOutcome::kWoken:
        return end_of_input();
      case WaitOutcome::kDeadline:
        TRICKLE_TRY(on_time());
        continue;
      case WaitOutcome::kReadable:
        break;
    }
    TRICKLE_TRY_ASSIGN(const ReadOutcome outcome, read_some(fd, buffer, stop));
    if (outcome.status == ReadStatus::kEnd) return end_of_input();
    TRICKLE_TRY(take({reinterpret_cast<const uint8_t*>(buffer.data()), outcome.size_bytes}));
    if (auto first = std::exchange(options_.on_first_bytes, nullptr)) first();
  }
}

Result<void> StreamPublisher::finish() { return publisher_ ? publisher_->finish() : Result<void>(); }

std::optional<TimePoint> StreamPublisher::deadline() const {
  if (splitter_) return splitter_->deadline();
  return first_byte_at_ ? std::optional(*first_byte_at_ + kProbeTime) : std::nullopt;
}

Result<void> StreamPublisher::on_time() {
  return splitter_ ? splitter_->on_time(*sink_) : recognize_input(true);
}

Result<void> StreamPublisher::take(std::span<const uint8_t> bytes) {
  if (splitter_) return splitter_->add(bytes, *sink_);
  if (!first_byte_at_) first_byte_at_ = system_clock().now();
  probed_.insert(probed_.end(), bytes.begin(), bytes.end());
  return recognize_input(false);
}

Result<void> StreamPublisher::recognize_input(bool at_end) {
  const auto seconds =
      std::max(std::chrono::microseconds(options_.ts.min_segment), std::chrono::microseconds(1000));
  const auto found = recognize(probed_, at_end, seconds);
  if (!found) return {};
  if (found->sure) {
    log::info("the input is {}", found->what);
  } else {
    log::warning(
        "the input is {}, whose keyframes are not known here: cut by time, segments don't stand alone",
        found->what);
  }
  TRICKLE_TRY(open(found->mode, found->content_type));
  const std::vector<uint8_t> first = std::move(probed_);
  return splitter_->add(first, *sink_);
}

Result<void> StreamPublisher::end_of_input() {
  if (!splitter_ && !probed_.empty()) TRICKLE_TRY(recognize_input(true));
  return splitter_ ? splitter_->finish(*sink_) : Result<void>();
}

}  // namespace trickle
