// The window of a channel as an HLS media playlist (RFC 8216). Pure: segments go in as they are complete,
// text comes out; what was once said of a segment is never said otherwise.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "media/ts_duration.h"
#include "trickle/segment.h"

namespace trickle {

/// A complete segment with bytes in it.
struct HlsSegment {
  SegmentNumber number = 0;
  std::optional<ts::TimeSpan> media{};     ///< Nothing: it is no transport stream, or one without times.
  std::chrono::duration<double> lasted{};  ///< By the clock on the wall.
};

/// Not thread-safe.
class HlsPlaylist {
 public:
  /// Numbers must rise; one that does not is passed over, because it would have to be put in between.
  void add(const HlsSegment& segment);
  /// Those below have left the window.
  void forget_below(SegmentNumber oldest);

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  /// The number of the newest segment that was ever added; -1 before.
  [[nodiscard]] SegmentNumber newest() const { return newest_; }
  /// \param ended       nothing more will come.
  /// \param uri_suffix  stands behind each segment's number.
  [[nodiscard]] std::string text(bool ended, std::string_view uri_suffix) const;

 private:
  struct Entry {
    SegmentNumber number;
    double seconds;
    bool discontinuity;  ///< Between it and the one before.
  };
  [[nodiscard]] bool continues(const HlsSegment& segment) const;

  std::deque<Entry> entries_;
  SegmentNumber newest_ = -1;
  std::optional<ts::TimeSpan> newest_media_;
  int64_t first_sequence_ = 0;   ///< Media sequence number of the first entry.
  int64_t discontinuities_ = 0;  ///< Those that have left.
  int64_t target_seconds_ = 1;   ///< May not change, so it is never less than it was.
};

}  // namespace trickle
