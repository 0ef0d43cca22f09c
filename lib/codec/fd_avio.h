// AVIOContexts over descriptors: reads that hand on what is there, writes that gather and copy nothing.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/counters.h"
#include "codec/av_types.h"
#include "io/stop.h"
#include "media/frame_stream.h"

namespace trickle {

/// Reads a descriptor (not owned) for a demuxer. Regular files can be sought in. Not movable: libav keeps its
/// address.
class FdReader {
 public:
  FdReader(int fd, Counters& counters, StopToken stop);
  FdReader(const FdReader&) = delete;
  FdReader& operator=(const FdReader&) = delete;
  ~FdReader();

  /// Reads until `size` bytes are at hand or the input ended, without consuming them: what the demuxer reads
  /// later starts with them. \return what there is (fewer than `size` at the end); kIo.
  Result<std::span<const std::byte>> peek(size_t size_bytes);

  [[nodiscard]] AVIOContext* avio() { return avio_; }
  /// Waits for bytes (what peek took first) and stores some. \return how many; 0 at the end of the input;
  /// kIo.
  Result<size_t> read(std::span<std::byte> target);
  /// Puts bytes that were read back in front of what comes.
  void unread(std::span<const std::byte> bytes);
  /// Bytes straight from the descriptor (what peek took first), for demuxers of our own.
  /// \return an empty span at the end of the input.
  Result<std::span<const std::byte>> read_chunk();
  /// True when a read would not wait.
  [[nodiscard]] bool ready_now() const;
  /// True once a read came to the end of the input.
  [[nodiscard]] bool ended() const { return ended_; }
  /// When the last byte came in.
  [[nodiscard]] ArrivalTime last_arrival() const { return last_arrival_; }
  /// What the system said when a read failed.
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }
  [[nodiscard]] const StopToken& stop() const { return stop_; }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  static int on_read(void* opaque, uint8_t* buffer, int size);
  static int64_t on_seek(void* opaque, int64_t offset, int whence);
  Result<size_t> read_bytes(std::span<std::byte> buffer);

  int fd_;
  Counters& counters_;
  StopToken stop_;
  std::vector<std::byte> peeked_;
  size_t peeked_used_ = 0;
  std::vector<std::byte> chunk_;
  AVIOContext* avio_ = nullptr;
  bool seekable_ = false;
  bool ended_ = false;
  ArrivalTime last_arrival_{};
  std::optional<Error> failure_;
};

/// Writes what a muxer makes to a descriptor (not owned). Small writes are gathered until a large one or
/// flush(), so that a packet and its headers leave in one system call.
class FdWriter {
 public:
  FdWriter(int fd, Counters& counters);
  FdWriter(const FdWriter&) = delete;
  FdWriter& operator=(const FdWriter&) = delete;
  ~FdWriter();

  [[nodiscard]] AVIOContext* avio() { return avio_; }

  /// The next large write that starts at planes[0].data() stands for these rows of bytes, one after the
  /// other. The muxer is given the address of a picture whose planes lie apart, and writes them without
  /// packing them first.
  void substitute_next(std::span<const std::span<const std::byte>> pieces);

  /// Lets `observer` see every piece of bytes on its way out, as the muxer gives them.
  void observe(std::function<void(std::span<const std::byte>)> observer) { observer_ = std::move(observer); }

  /// Puts bytes of our own between those of the muxer.
  Result<void> insert(std::span<const std::byte> data) { return write(data); }

  /// Writes what was gathered. \return what went wrong since the last call: kClosed or kIo.
  Result<void> flush();

 private:
#if LIBAVFORMAT_VERSION_MAJOR >= 61
  static int on_write(void* opaque, const uint8_t* data, int size);
#else
  static int on_write(void* opaque, uint8_t* data, int size);
#endif
  Result<void> write(std::span<const std::byte> data);
  Result<void> write_gathered(std::span<const std::span<const std::byte>> pieces);

  int fd_;
  Counters& counters_;
  AVIOContext* avio_ = nullptr;
  std::vector<std::byte> gathered_;
  std::vector<std::span<const std::byte>> substitute_;
  std::function<void(std::span<const std::byte>)> observer_;
  std::optional<Error> failure_;
};

}  // namespace trickle
