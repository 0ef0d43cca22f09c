// One immutable piece of a body with its chunked framing already around it, so that any number of readers can
// be sent the same bytes without a copy.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "io/clock.h"

namespace trickle::http {

/// Never changes once made, so it may be read from any thread.
class Chunk {
 public:
  /// Copies `data`, which must not be empty (an empty chunk would end a chunked body).
  explicit Chunk(std::span<const char> data, TimePoint arrived_at = {});

  /// The bytes themselves, for answers without chunked coding.
  [[nodiscard]] std::string_view data() const {
    return std::string_view(framed_).substr(begin_, size_bytes_);
  }
  /// SIZE CRLF data CRLF (RFC 9112, section 7.1).
  [[nodiscard]] std::string_view framed() const { return framed_; }
  [[nodiscard]] size_t size_bytes() const { return size_bytes_; }
  /// When it came, for those who measure what becomes of it.
  [[nodiscard]] TimePoint arrived_at() const { return arrived_at_; }
  /// What it costs in memory: framing, two allocations, and its place in a list that may be half empty.
  [[nodiscard]] size_t footprint_bytes() const { return framed_.capacity() + sizeof(Chunk) + 64; }

 private:
  std::string framed_;
  uint32_t begin_;
  size_t size_bytes_;
  TimePoint arrived_at_;
};

using ChunkPtr = std::shared_ptr<const Chunk>;

/// Where the bytes of a streamed answer come from. The connection asks whenever its socket takes bytes, so a
/// source needs no queue of its own and a slow reader no memory: it is a cursor into something shared.
class BodySource {
 public:
  /// What follows after the pieces that peek() gave.
  enum class Then {
    kMore,  ///< There was no room for all that is there.
    kWait,  ///< Nothing yet; the connection asks again after Exchange::wake().
    kEnd,   ///< The body is complete.
    kCut,   ///< The body breaks off here: the connection is closed without the end mark.
  };
  struct View {
    size_t count;  ///< How many of `pieces` were filled.
    Then then;
  };

  virtual ~BodySource() = default;
  /// Fills `pieces` with the next pieces, without moving on. They must stay valid until advance() has passed
  /// them, or until the next peek().
  virtual View peek(std::span<const Chunk*> pieces) = 0;
  /// The first `count` pieces of the last peek() were written.
  virtual void advance(size_t count) = 0;
};

}  // namespace trickle::http
