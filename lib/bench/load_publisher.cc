#include "bench/load_publisher.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>
#include <thread>

#include "base/try.h"

namespace trickle::bench {

Result<void> LoadPublisher::open_segment(int64_t segment) {
  Link& link = link_of(segment);
  if (link.open) TRICKLE_TRY(await_answer(link));
  if (!link.fd) {
    TRICKLE_TRY_ASSIGN(link.fd, connect_to(shared_.server, Blocking::kYes));
  }
  link.open = true;
  return send_all(link.fd.get(), fmt::format("POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: video/mp2t\r\n"
                                             "Transfer-Encoding: chunked\r\n\r\n",
                                             shared_.path(channel_, segment), shared_.server.authority));
}

Result<void> LoadPublisher::await_answer(Link& link) {
  struct Handler {
    int status = 0;
    bool ended = false;
    bool keeps_alive = true;
    void on_head(const AnswerHead& head) { status = head.status, keeps_alive = head.keeps_alive; }
    void on_body(std::span<const char>) {}
    void on_end() { ended = true; }
  } handler;
  char buffer[4096];
  while (!handler.ended) {
    const ssize_t received = ::recv(link.fd.get(), buffer, sizeof buffer, 0);
    if (received < 0 && errno == EINTR) continue;
    if (received <= 0) return unexpected(ErrorKind::kNetwork, "a POST was not answered");
    if (!link.answer.feed({buffer, static_cast<size_t>(received)}, handler)) {
      return unexpected(ErrorKind::kNetwork, "a POST was answered with something that is no HTTP");
    }
  }
  link.open = false;
  if (!handler.keeps_alive) link.fd.reset();
  if (handler.status == 200) return {};
  return unexpected(ErrorKind::kNetwork, fmt::format("a POST was answered {}", handler.status));
}

// A server may look at its connections in any order: without the answer it could see this segment before the
// one ahead of it, and tell readers that they missed that one.
Result<void> LoadPublisher::await_predecessors(int64_t segment, const StopToken& stop) {
  if (segment >= 2) shared_.wait_until_read(channel_, segment - 2, stop);
  if (segment == 0) return {};
  Link& previous = link_of(segment - 1);
  return previous.open ? await_answer(previous) : Result<void>();
}

Result<void> LoadPublisher::send_chunk(int64_t segment, uint64_t index) {
  const size_t size = shared_.pattern.message_bytes();
  if (framed_.empty()) framed_ = fmt::format("{:x}\r\n{}\r\n", size, std::string(size, ' '));
  const std::span<char> message(framed_.data() + framed_.size() - 2 - size, size);
  shared_.pattern.fill(message, static_cast<uint32_t>(channel_), segment, index, system_clock().now());
  sent_bytes_ += size;
  return send_all(link_of(segment).fd.get(), framed_);
}

Result<void> LoadPublisher::run(TimePoint start, TimePoint end, const StopToken& stop) {
  const LoadOptions& options = shared_.options;
  const bool paced = options.rate_hz > 0;
  const Duration step =
      paced ? std::chrono::duration_cast<Duration>(std::chrono::duration<double>(1 / options.rate_hz))
            : Duration(0);
  TRICKLE_TRY(open_segment(0));
  // Spread over one step, as independent publishers would be.
  TimePoint due = start + step * static_cast<int>(channel_) / static_cast<int>(options.publishers);
  for (int64_t segment = 0;; ++segment) {
    if (!paced) TRICKLE_TRY(await_predecessors(segment, stop));
    for (size_t index = 0; index < options.chunks_per_segment && !stop.stop_requested();
         ++index, due += step) {
      if (paced) std::this_thread::sleep_until(due);
      const TimePoint now = system_clock().now();
      if (paced) late_ = std::max(late_, now - due);
      if (index > 0 && now >= end) break;
      TRICKLE_TRY(send_chunk(segment, index));
      if (index == 0) TRICKLE_TRY(open_segment(segment + 1));
    }
    TRICKLE_TRY(send_all(link_of(segment).fd.get(), "0\r\n\r\n"));
    if (system_clock().now() >= end || stop.stop_requested()) return await_answer(link_of(segment));
  }
}

}  // namespace trickle::bench
