// What a NUT stream says about itself before its packets and between them (NUT specification, "main header",
// "stream header", "info packet", "syncpoint").
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "media/nut_fields.h"
#include "trickle/frame.h"

namespace trickle {

struct NutTrack {
  enum class Kind : uint8_t { kVideo, kAudio, kOther } kind = Kind::kOther;
  uint32_t codec_tag = 0;  ///< First character in the low byte.
  Rational time_base;
  Rational frame_rate;  ///< From the info packet; 0/1: not told.
  std::vector<uint8_t> extradata;
  int width = 0;  ///< 1 to 16384 for video.
  int height = 0;
  Rational sample_aspect;  ///< 0/1: unknown.
  int sample_rate = 0;     ///< Above 0 for audio.
  int channels = 0;
};

/// Takes the bodies of headers, which are hostile until they are found right. Belongs to one thread.
class NutHeaders {
 public:
  /// What a packet's first byte stands for.
  struct FrameCode {
    uint64_t flags = 0;
    uint64_t stream = 0;
    uint64_t size_mul = 1;
    uint64_t size_lsb = 0;
    int64_t pts_delta = 0;
    uint64_t reserved = 0;
    uint64_t header = 0;
  };
  /// What packets of a track are counted by.
  struct Stream {
    size_t time_base = 0;
    uint64_t msb_pts_shift = 0;
    int64_t last_pts = 0;
    bool known = false;
    /// The next packet's time: as coded, in full or by its low bits, or so much after the last one.
    int64_t next_pts(std::optional<uint64_t> coded, int64_t delta);
  };

  /// Each is false for a body that is broken; the stream can't be read then.
  bool use_main(std::span<const uint8_t> body);
  bool use_stream(std::span<const uint8_t> body);
  bool use_syncpoint(std::span<const uint8_t> body);
  void use_info(std::span<const uint8_t> body);

  /// True once the main header and every track's have come.
  [[nodiscard]] bool complete() const;
  [[nodiscard]] bool have_main() const { return !tracks_.empty(); }
  [[nodiscard]] const std::vector<NutTrack>& tracks() const { return tracks_; }
  [[nodiscard]] std::vector<Stream>& streams() { return streams_; }
  [[nodiscard]] const FrameCode& code(uint8_t byte) const { return codes_[byte]; }
  /// Bytes that packets leave out at their beginning; the first is empty.
  [[nodiscard]] const std::vector<std::vector<uint8_t>>& elided() const { return elided_; }

 private:
  bool use_frame_codes(nut::Fields& fields);

  std::vector<NutTrack> tracks_;
  std::vector<Stream> streams_;
  std::vector<Rational> time_bases_;
  std::array<FrameCode, 256> codes_{};
  std::vector<std::vector<uint8_t>> elided_{{}};
  uint64_t flags_ = 0;
};

}  // namespace trickle
