// Finds the boundaries of segments in a stream of bytes: one small class for each way to split.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "io/clock.h"
#include "media/ts_cutter.h"
#include "trickle/result.h"

namespace trickle {

struct SplitMode {
  enum class Kind {
    kAuto,      ///< By what the input is.
    kKeyframe,  ///< MPEG-TS, at random access points.
    kLine,      ///< One segment for each line; empty lines are skipped.
    kEof,       ///< One segment.
    kBytes,     ///< Segments of `bytes`.
    kSeconds,   ///< Segments of `duration`, by the clock on the wall.
  };
  Kind kind = Kind::kAuto;
  uint64_t bytes = 0;
  std::chrono::microseconds duration{0};
  bool keep_newline = false;  ///< kLine: whether the end of a line belongs to its segment.
};

/// Parses "auto", "keyframe", "line", "eof", "bytes:N" or "seconds:S". \return kUsage with a sentence.
Result<SplitMode> parse_split_mode(std::string_view text);

/// Takes the input and gives segments. Not thread-safe.
class Splitter {
 public:
  virtual ~Splitter() = default;
  /// \return what the sink failed with, or kBadData for input that can't be split this way.
  virtual Result<void> add(std::span<const uint8_t> bytes, SegmentSink& sink) = 0;
  /// The end of the input. Call once.
  virtual Result<void> finish(SegmentSink& sink) = 0;
  /// When something happens even if nothing more comes: the segment in hand ends, or what was held back goes
  /// out. The owner then calls on_time().
  [[nodiscard]] virtual std::optional<TimePoint> deadline() const { return std::nullopt; }
  virtual Result<void> on_time(SegmentSink&) { return {}; }
};

/// Makes one for any kind but kAuto. The clock must outlive it.
std::unique_ptr<Splitter> make_splitter(const SplitMode& mode, const TsCutterOptions& ts, const Clock& clock);

struct Recognized {
  SplitMode mode;
  std::string content_type;
  std::string what;  ///< "MPEG-TS", "JSON", "Matroska", … for a person.
  bool sure = true;  ///< False: cut by time because nothing better is known.
};
/// Says by its first bytes how to split an input, with segments of `seconds` where there is nothing to go by.
/// \return nothing when more bytes are needed (never when `at_end`, or there are ts::kProbeBytes).
std::optional<Recognized> recognize(std::span<const uint8_t> first_bytes, bool at_end,
                                    std::chrono::microseconds seconds);

}  // namespace trickle
