// Reads and writes on descriptors that end when a stop is requested and tell "end" from "cut short".
//
// The descriptors may be blocking or not; each function waits with poll(2) on the descriptor and the stop
// token. Functions may be called from any thread, one thread per descriptor and direction.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "io/clock.h"
#include "io/stop.h"
#include "io/unique_fd.h"
#include "trickle/result.h"

namespace trickle {

enum class ReadStatus {
  kReady,      ///< Bytes were read.
  kWouldWait,  ///< Nothing there now (only from reads that don't wait).
  kEnd,        ///< The writer closed, or a stop was requested: nothing more will come.
  kCutShort,   ///< The end came inside the piece that was asked for.
};

struct ReadOutcome {
  ReadStatus status;
  size_t size_bytes;  ///< Bytes stored, also when cut short.
};

/// Waits for at least one byte and reads what is there, up to buffer.size().
/// \return kReady or kEnd; kIo when the system fails the read.
Result<ReadOutcome> read_some(int fd, std::span<std::byte> buffer, const StopToken& stop);

/// Reads exactly buffer.size() bytes. \return kReady, kEnd (before the first byte) or kCutShort; kIo.
Result<ReadOutcome> read_full(int fd, std::span<std::byte> buffer, const StopToken& stop);

/// Writes all of `data`. A requested stop does not end it: what was accepted is delivered. While the reader
/// stands still only a second signal, or the reader's end, does.
/// \return kClosed when the reader is gone (EPIPE, ECONNRESET), kIo for any other failure.
Result<void> write_full(int fd, std::span<const std::byte> data);

/// As write_full, but a requested stop ends a wait for the reader at once (kCancelled): for output that may
/// be cut.
Result<void> write_until_stopped(int fd, std::span<const std::byte> data, const StopToken& stop);

enum class WaitOutcome { kReadable, kWoken, kDeadline };
/// Waits until `fd` is readable (or at its end), until one of `wakers` (descriptors; -1 is none) is, which
/// goes first, or for the deadline.
WaitOutcome wait_readable(int fd, std::span<const int> wakers, std::optional<TimePoint> deadline);

/// True once the reader of a pipe or socket that we write to has gone. Never waits.
[[nodiscard]] bool reader_gone(int fd);

/// True when a write of up to PIPE_BUF bytes would not wait (or would fail at once). Never waits.
[[nodiscard]] bool writable_now(int fd);

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};
/// A pipe, both ends close-on-exec. \return kIo when no descriptors are left.
Result<Pipe> make_pipe();

/// Asks for a larger pipe buffer, up to `bytes`; keeps what it has when the system refuses or fd is no pipe.
void grow_pipe(int fd, size_t bytes);

}  // namespace trickle
