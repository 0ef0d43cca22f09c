#include "pipeline/line_reader.h"

#include <unistd.h>

#include <array>
#include <cerrno>

namespace trickle::pipeline {

std::shared_ptr<LineReader> LineReader::start(boost::asio::io_context& io, UniqueFd fd, size_t limit_bytes,
                                              std::function<void(std::string_view)> on_line) {
  std::shared_ptr<LineReader> reader(new LineReader(io, std::move(fd), limit_bytes, std::move(on_line)));
  reader->wait();
  return reader;
}

LineReader::LineReader(boost::asio::io_context& io, UniqueFd fd, size_t limit_bytes,
                       std::function<void(std::string_view)> on_line)
    : pipe_(io, fd.release()), limit_bytes_(limit_bytes), on_line_(std::move(on_line)) {
  pipe_.non_blocking(true);
}

void LineReader::wait() {
  pipe_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                   [self = shared_from_this()](const boost::system::error_code& failure) {
                     if (!failure && self->pipe_.is_open() && self->read_available()) self->wait();
                   });
}

void LineReader::drain() {
  if (pipe_.is_open()) read_available();
}

void LineReader::close() {
  on_line_ = nullptr;
  boost::system::error_code ignored;
  pipe_.close(ignored);
}

bool LineReader::read_available() {
  std::array<char, 16 * 1024> buffer{};
  while (pipe_.is_open()) {
    const ssize_t n = ::read(pipe_.native_handle(), buffer.data(), buffer.size());
    if (n > 0) {
      take({buffer.data(), static_cast<size_t>(n)});
    } else if (n < 0 && errno == EINTR) {
      continue;
    } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      return true;
    } else {
      if (!line_.empty()) take("\n");  // A last line that was not ended.
      close();
    }
  }
  return false;
}

void LineReader::take(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (!skipping_) line_.append(piece.substr(0, limit_bytes_ - line_.size()));
    if (line_.size() >= limit_bytes_) skipping_ = true;
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    skipping_ = false;
    const std::string line = std::exchange(line_, {});
    if (on_line_) on_line_(line);
  }
}

}  // namespace trickle::pipeline
