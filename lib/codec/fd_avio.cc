#include "codec/fd_avio.h"

#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/try.h"
#include "io/fd_io.h"

namespace trickle {
namespace {

constexpr int kBufferBytes = 32 * 1024;
constexpr size_t kChunkBytes = 256 * 1024;
// A write of at least this many bytes goes out from where it lies instead of being gathered.
constexpr size_t kLargeWriteBytes = 16 * 1024;

// Positions are counted from the file's start, so a descriptor that somebody read from before is taken as a
// pipe.
bool is_file_at_start(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && ::lseek(fd, 0, SEEK_CUR) == 0;
}

}  // namespace

FdReader::FdReader(int fd, Counters& counters, StopToken stop)
    : fd_(fd), counters_(counters), stop_(std::move(stop)), seekable_(is_file_at_start(fd)) {
  auto* buffer = static_cast<unsigned char*>(av_malloc(kBufferBytes));
  avio_ = avio_alloc_context(buffer, kBufferBytes, 0, this, &FdReader::on_read, nullptr,
                             seekable_ ? &FdReader::on_seek : nullptr);
  avio_->seekable = seekable_ ? AVIO_SEEKABLE_NORMAL : 0;
}

FdReader::~FdReader() {
  av_freep(&avio_->buffer);
  avio_context_free(&avio_);
}

Result<size_t> FdReader::read_bytes(std::span<std::byte> buffer) {
  TRICKLE_TRY_ASSIGN(const ReadOutcome outcome, read_some(fd_, buffer, stop_));
  if (outcome.status != ReadStatus::kReady) {
    ended_ = true;
    return size_t{0};
  }
  last_arrival_ = std::chrono::steady_clock::now();
  counters_.bytes_in.fetch_add(outcome.size_bytes, std::memory_order_relaxed);
  return outcome.size_bytes;
}

Result<std::span<const std::byte>> FdReader::peek(size_t size_bytes) {
  size_t filled = peeked_.size();
  if (filled < size_bytes) peeked_.resize(size_bytes);
  while (filled < size_bytes) {
    auto count = read_bytes(std::span(peeked_).subspan(filled));
    if (!count || *count == 0) {
      peeked_.resize(filled);
      if (!count) return unexpected(std::move(count.error()));
      break;
    }
    filled += *count;
  }
  return std::span<const std::byte>(peeked_).first(std::min(size_bytes, filled));
}

int FdReader::on_read(void* opaque, uint8_t* buffer, int size) {
  auto* self = static_cast<FdReader*>(opaque);
  const std::span target(reinterpret_cast<std::byte*>(buffer), static_cast<size_t>(size));
  auto count = self->read(target);
  if (!count) {
    self->failure_ = count.error();
    return AVERROR(EIO);
  }
  return *count > 0 ? static_cast<int>(*count) : AVERROR_EOF;
}

int64_t FdReader::on_seek(void* opaque, int64_t offset, int whence) {
  auto* self = static_cast<FdReader*>(opaque);
  if (whence == AVSEEK_SIZE) {
    struct stat status {};
    return ::fstat(self->fd_, &status) == 0 ? status.st_size : AVERROR(errno);
  }
  const off_t position = ::lseek(self->fd_, offset, whence & ~AVSEEK_FORCE);
  if (position < 0) return AVERROR(errno);
  self->peeked_used_ =
      self->peeked_.size();  // Positions count from the file's start; nothing is left to give first.
  self->ended_ = false;
  return position;
}

Result<size_t> FdReader::read(std::span<std::byte> target) {
  if (const size_t left = peeked_.size() - peeked_used_; left > 0) {
    const size_t count = std::min(left, target.size());
    std::memcpy(target.data(), peeked_.data() + peeked_used_, count);
    peeked_used_ += count;
    return count;
  }
  return read_bytes(target);
}

void FdReader::unread(std::span<const std::byte> bytes) {
  std::vector<std::byte> all(bytes.begin(), bytes.end());
  all.insert(all.end(), peeked_.begin() + static_cast<ptrdiff_t>(peeked_used_), peeked_.end());
  peeked_ = std::move(all);
  peeked_used_ = 0;
}

Result<std::span<const std::byte>> FdReader::read_chunk() {
  if (peeked_used_ < peeked_.size()) {
    const auto left = std::span<const std::byte>(peeked_).subspan(peeked_used_);
    peeked_used_ = peeked_.size();
    return left;
  }
  chunk_.resize(kChunkBytes);
  TRICKLE_TRY_ASSIGN(const size_t count, read_bytes(chunk_));
  return std::span<const std::byte>(chunk_).first(count);
}

bool FdReader::ready_now() const {
  if (peeked_used_ < peeked_.size()) return true;
  pollfd entry{fd_, POLLIN, 0};
  return !ended_ && ::poll(&entry, 1, 0) > 0;
}

FdWriter::FdWriter(int fd, Counters& counters) : fd_(fd), counters_(counters) {
  auto* buffer = static_cast<unsigned char*>(av_malloc(kBufferBytes));
  avio_ = avio_alloc_context(buffer, kBufferBytes, 1, this, nullptr, &FdWriter::on_write, nullptr);
  avio_->direct = 1;
  avio_->seekable = 0;
}

FdWriter::~FdWriter() {
  av_freep(&avio_->buffer);
  avio_context_free(&avio_);
}

void FdWriter::substitute_next(std::span<const std::span<const std::byte>> pieces) {
  substitute_.assign(pieces.begin(), pieces.end());
}

#if LIBAVFORMAT_VERSION_MAJOR >= 61
int FdWriter::on_write(void* opaque, const uint8_t* data, int size) {
#else
int FdWriter::on_write(void* opaque, uint8_t* data, int size) {
#endif
  auto* self = static_cast<FdWriter*>(opaque);
  const std::span bytes(reinterpret_cast<const std::byte*>(data), static_cast<size_t>(size));
  if (self->failure_) return AVERROR(EIO);
  if (self->observer_) self->observer_(bytes);
  if (auto written = self->write(bytes); !written) {
    self->failure_ = std::move(written.error());
    return AVERROR(EIO);
  }
  return size;
}

Result<void> FdWriter::write(std::span<const std::byte> data) {
  if (!substitute_.empty() && data.data() == substitute_.front().data()) {
    auto pieces = std::move(substitute_);
    substitute_.clear();
    return write_gathered(pieces);
  }
  if (data.size() >= kLargeWriteBytes) return write_gathered(std::array{data});
  gathered_.insert(gathered_.end(), data.begin(), data.end());
  return gathered_.size() >= kLargeWriteBytes ? write_gathered({}) : Result<void>();
}

Result<void> FdWriter::write_gathered(std::span<const std::span<const std::byte>> pieces) {
  std::vector<iovec> vectors;
  vectors.reserve(pieces.size() + 1);
  if (!gathered_.empty()) vectors.push_back({gathered_.data(), gathered_.size()});
  size_t total = gathered_.size();
  for (const auto& piece : pieces) {
    vectors.push_back({const_cast<std::byte*>(piece.data()), piece.size()});
    total += piece.size();
  }
  Result<void> result;
  // One system call takes all of it unless the pipe is full; what it left goes out piece by piece.
  ssize_t count = vectors.size() > 1 ? ::writev(fd_, vectors.data(), static_cast<int>(vectors.size())) : 0;
  auto written = static_cast<size_t>(std::max<ssize_t>(count, 0));
  for (const iovec& vector : vectors) {
    if (written >= vector.iov_len) {
      written -= vector.iov_len;
      continue;
    }
    result =
        write_full(fd_, {static_cast<const std::byte*>(vector.iov_base) + written, vector.iov_len - written});
    written = 0;
    if (!result) break;
  }
  gathered_.clear();
  if (result) counters_.bytes_out.fetch_add(total, std::memory_order_relaxed);
  return result;
}

Result<void> FdWriter::flush() {
  if (!failure_ && !gathered_.empty()) {
    if (auto written = write_gathered({}); !written) failure_ = std::move(written.error());
  }
  if (!failure_) return {};
  return unexpected(*failure_);
}

}  // namespace trickle
