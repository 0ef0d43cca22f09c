// Decoded video and the audio that travels with it: what flows between stages.
//
// Values are cheap to move. Frame memory is shared by reference count and may come from a decoder's pool, a
// NUT packet or a shared-memory slot; nothing here copies pixels unless its name says so. A frame may be
// handed from thread to thread, but only one thread at a time may use it.
#pragma once

#include <any>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "trickle/export.h"

namespace trickle {

/// A fraction of positive terms: a time base in seconds per tick, a frame rate, an aspect ratio. 0/1:
/// unknown.
struct Rational {
  int num = 0;
  int den = 1;

  [[nodiscard]] bool known() const { return num > 0 && den > 0; }
  [[nodiscard]] double to_double() const { return static_cast<double>(num) / den; }
  friend bool operator==(const Rational&, const Rational&) = default;
};

/// A point in time on the source's clock: `ticks` of `time_base` seconds each.
struct Timestamp {
  int64_t ticks = 0;
  Rational time_base{1, 90000};

  [[nodiscard]] double seconds() const { return static_cast<double>(ticks) * time_base.to_double(); }
  friend bool operator==(const Timestamp&, const Timestamp&) = default;
};

/// Pixel layouts, named as in FFmpeg. 10-bit ones are little-endian, in the low bits of 16.
enum class PixelFormat : uint8_t {
  kNone,
  kYuv420p,
  kYuv422p,
  kYuv444p,
  kYuv420p10,
  kYuv422p10,
  kYuv444p10,
  kNv12,
  kGray8,
  kRgb24,
  kRgba,
  kBgra,
  kGbrp,
};

/// The shape of a pixel format. `log2_chroma_*` are the chroma planes' subsampling shifts; rows of plane p
/// hold ceil(width / 2^shift) samples of bytes_per_sample[p] bytes (interleaved samples count as one).
struct PixelFormatInfo {
  const char* name;  ///< FFmpeg's name, as --pix-fmt takes it.
  int planes;
  int log2_chroma_w;
  int log2_chroma_h;
  int bits;  ///< Significant bits per component.
  bool rgb;
  std::array<int, 4> bytes_per_sample;
};
[[nodiscard]] TRICKLE_API const PixelFormatInfo& pixel_format_info(PixelFormat format);
/// The format with FFmpeg's name `name`, or kNone.
[[nodiscard]] TRICKLE_API PixelFormat pixel_format_from_name(std::string_view name);

/// Code points of ISO/IEC 23091-2 (H.273), the ones that bitstreams carry. 2 is "unspecified" for the first
/// three.
struct ColorProperties {
  uint8_t matrix = 2;
  uint8_t primaries = 2;
  uint8_t transfer = 2;
  enum class Range : uint8_t { kUnspecified, kLimited, kFull } range = Range::kUnspecified;
  friend bool operator==(const ColorProperties&, const ColorProperties&) = default;
};

enum class FieldOrder : uint8_t { kProgressive, kTopFirst, kBottomFirst };

/// Rows of samples; negative strides are allowed.
struct Plane {
  uint8_t* data = nullptr;
  ptrdiff_t stride_bytes = 0;
};

/// One picture. Valid as long as `memory` is held; may be written to only while writable() is true.
struct VideoFrame {
  int width = 0;   ///< In pixels.
  int height = 0;  ///< In pixels.
  PixelFormat format = PixelFormat::kNone;
  std::array<Plane, 4> planes{};
  ColorProperties color;
  FieldOrder field_order = FieldOrder::kProgressive;
  Rational sample_aspect;      ///< 0/1: unknown, taken as square.
  Timestamp timestamp;         ///< Presentation time.
  int64_t duration_ticks = 0;  ///< In timestamp.time_base; 0: unknown.

  /// Bytes of an effect's that travel with the frame within one process; null: none.
  std::shared_ptr<const std::string> user_data;

  /// Owns the pixels. Whoever made the frame decides what it really is.
  std::shared_ptr<void> memory;
  /// True when nobody but holders of `memory` refers to the pixels (a decoder may still predict from them).
  bool exclusive = false;

  /// Anything that belongs to this picture and shall travel with it inside one process; null until it is set.
  /// Copies of the frame share it.
  std::shared_ptr<std::map<std::string, std::any, std::less<>>> side_table{};

  /// True when the pixels may be changed in place: exclusive, and this is the only reference.
  [[nodiscard]] bool writable() const { return exclusive && memory.use_count() == 1; }

  /// Sets an entry of the side table, which is made with the first.
  void set_user_data(std::string name, std::any value) {
    if (!side_table) side_table = std::make_shared<std::map<std::string, std::any, std::less<>>>();
    side_table->insert_or_assign(std::move(name), std::move(value));
  }
  /// The entry of that name if it is a T, or null. Valid as long as it is not replaced.
  template <typename T>
  [[nodiscard]] const T* find_user_data(std::string_view name) const {
    if (!side_table) return nullptr;
    const auto at = side_table->find(name);
    return at == side_table->end() ? nullptr : std::any_cast<T>(&at->second);
  }
};

/// Bytes of one row of `plane`, without padding, and the number of its rows.
[[nodiscard]] TRICKLE_API size_t plane_row_bytes(PixelFormat format, int plane, int width);
[[nodiscard]] TRICKLE_API int plane_rows(PixelFormat format, int plane, int height);
/// Bytes of a picture whose planes follow each other without padding (FFmpeg's rawvideo layout).
[[nodiscard]] TRICKLE_API size_t packed_picture_bytes(PixelFormat format, int width, int height);

/// A new writable frame whose planes follow each other without padding. Pixels are not initialised.
/// Sizes must be positive and at most 16384.
[[nodiscard]] TRICKLE_API VideoFrame make_video_frame(PixelFormat format, int width, int height);
/// A frame over `memory` (of at least packed_picture_bytes at `data`), planes without padding.
[[nodiscard]] TRICKLE_API VideoFrame wrap_packed_picture(PixelFormat format, int width, int height,
                                                         uint8_t* data, std::shared_ptr<void> memory);
/// Copies everything but pixels, format and size: timing, colour, user data.
TRICKLE_API void copy_properties(const VideoFrame& from, VideoFrame& to);
/// A writable frame with the same pixels, timing and properties.
[[nodiscard]] TRICKLE_API VideoFrame copy_of(const VideoFrame& frame);

/// One packet of a compressed (or PCM) audio track, passed through filters untouched.
struct AudioPacket {
  int track = 0;  ///< Index into StreamInfo::audio.
  Timestamp timestamp;
  int64_t duration_ticks = 0;  ///< In timestamp.time_base; 0: unknown.
  const uint8_t* data = nullptr;
  size_t size_bytes = 0;
  std::shared_ptr<void> memory;  ///< Owns data.
};

}  // namespace trickle
