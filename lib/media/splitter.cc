#include "media/splitter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/try.h"
#include "base/units.h"
#include "media/ts_resync.h"

namespace trickle {
namespace {

using Bytes = std::span<const uint8_t>;

// Input without a single packet is given up on after this much of it.
constexpr uint64_t kMaxForeignBytes = 1024 * 1024;
// Packets that may begin a segment are held back no longer than this when nothing follows them.
constexpr std::chrono::milliseconds kPatience{50};

class TsSplitter final : public Splitter {
 public:
  TsSplitter(const TsCutterOptions& options, const Clock& clock) : clock_(clock), cutter_(options, clock) {}
  Result<void> add(Bytes bytes, SegmentSink& sink) override {
    TRICKLE_TRY(cutter_.add(bytes, sink));
    held_until_ = cutter_.holds_packets() ? std::optional(clock_.now() + kPatience) : std::nullopt;
    return cutter_.totals().skipped_bytes >= kMaxForeignBytes ? check() : Result<void>();
  }
  Result<void> finish(SegmentSink& sink) override {
    TRICKLE_TRY(cutter_.finish(sink));
    return cutter_.totals().skipped_bytes > 0 ? check() : Result<void>();
  }
  [[nodiscard]] std::optional<TimePoint> deadline() const override { return held_until_; }
  Result<void> on_time(SegmentSink& sink) override {
    if (!held_until_ || clock_.now() < *held_until_) return {};
    held_until_.reset();
    return cutter_.flush(sink);
  }

 private:
  [[nodiscard]] Result<void> check() const {
    if (cutter_.totals().segments > 0) return {};
    return unexpected(ErrorKind::kBadData,
                      "the input is no MPEG-TS: split it by bytes:N, seconds:S, line or eof");
  }
  const Clock& clock_;
  TsCutter cutter_;
  std::optional<TimePoint> held_until_;
};

class LineSplitter final : public Splitter {
 public:
  explicit LineSplitter(bool keep_newline) : keep_newline_(keep_newline) {}
  Result<void> add(Bytes bytes, SegmentSink& sink) override {
    while (!bytes.empty()) {
      const auto end = std::find(bytes.begin(), bytes.end(), '\n');
      const Bytes line(bytes.begin(), end);
      if (!line.empty()) {
        if (!inside_) TRICKLE_TRY(sink.begin_segment());
        inside_ = true;
        TRICKLE_TRY(sink.write(line));
      }
      if (end == bytes.end()) break;
      if (inside_ && keep_newline_) TRICKLE_TRY(sink.write(Bytes(end, end + 1)));
      if (inside_) TRICKLE_TRY(sink.end_segment());
      inside_ = false;
      bytes = bytes.subspan(line.size() + 1);
    }
    return {};
  }
  Result<void> finish(SegmentSink&) override { return {}; }

 private:
  const bool keep_newline_;
  bool inside_ = false;
};

class EofSplitter final : public Splitter {
 public:
  Result<void> add(Bytes bytes, SegmentSink& sink) override {
    if (!inside_) TRICKLE_TRY(sink.begin_segment());
    inside_ = true;
    return sink.write(bytes);
  }
  Result<void> finish(SegmentSink&) override { return {}; }

 private:
  bool inside_ = false;
};

class BytesSplitter final : public Splitter {
 public:
  explicit BytesSplitter(uint64_t size_bytes) : size_bytes_(size_bytes) {}
  Result<void> add(Bytes bytes, SegmentSink& sink) override {
    while (!bytes.empty()) {
      if (left_bytes_ == 0) {
        TRICKLE_TRY(sink.begin_segment());
        left_bytes_ = size_bytes_;
      }
      const auto step = static_cast<size_t>(std::min<uint64_t>(left_bytes_, bytes.size()));
      TRICKLE_TRY(sink.write(bytes.first(step)));
      bytes = bytes.subspan(step);
      left_bytes_ -= step;
      if (left_bytes_ == 0) TRICKLE_TRY(sink.end_segment());
    }
    return {};
  }
  Result<void> finish(SegmentSink&) override { return {}; }

 private:
  const uint64_t size_bytes_;
  uint64_t left_bytes_ = 0;
};

class SecondsSplitter final : public Splitter {
 public:
  SecondsSplitter(std::chrono::microseconds duration, const Clock& clock)
      : duration_(duration), clock_(clock) {}
  Result<void> add(Bytes bytes, SegmentSink& sink) override {
    TRICKLE_TRY(on_time(sink));
    if (!ends_at_) {
      TRICKLE_TRY(sink.begin_segment());
      ends_at_ = clock_.now() + duration_;
    }
    return sink.write(bytes);
  }
  Result<void> finish(SegmentSink&) override { return {}; }
  [[nodiscard]] std::optional<TimePoint> deadline() const override { return ends_at_; }
  Result<void> on_time(SegmentSink& sink) override {
    if (!ends_at_ || clock_.now() < *ends_at_) return {};
    ends_at_.reset();
    return sink.end_segment();
  }

 private:
  const std::chrono::microseconds duration_;
  const Clock& clock_;
  std::optional<TimePoint> ends_at_;
};

struct Signature {
  size_t at;
  std::string_view bytes;
  const char* what;
};
constexpr std::array<Signature, 9> kSignatures{{
    {4, "ftyp", "MP4"},
    {4, "moof", "fragmented MP4"},
    {4, "styp", "fragmented MP4"},
    {0, "FLV\x01", "FLV"},
    {0, "\x1a\x45\xdf\xa3", "Matroska or WebM"},
    {0, std::string_view("\0\0\0\1", 4), "a raw H.264 or HEVC stream"},
    {0, std::string_view("\0\0\1", 3), "a raw video stream or MPEG-PS"},
    {0, "nut/multimedia container", "NUT"},
    {0, "OggS", "Ogg"},
}};

}  // namespace

Result<SplitMode> parse_split_mode(std::string_view text) {
  using Kind = SplitMode::Kind;
  static constexpr std::array<std::pair<std::string_view, Kind>, 4> kWords{
      {{"auto", Kind::kAuto}, {"keyframe", Kind::kKeyframe}, {"line", Kind::kLine}, {"eof", Kind::kEof}}};
  for (const auto& [word, kind] : kWords) {
    if (text == word) return SplitMode{.kind = kind};
  }
  if (text.starts_with("bytes:")) {
    TRICKLE_TRY_ASSIGN(const uint64_t bytes, parse_bytes(text.substr(6)));
    if (bytes > 0) return SplitMode{.kind = Kind::kBytes, .bytes = bytes};
  } else if (text.starts_with("seconds:")) {
    TRICKLE_TRY_ASSIGN(const auto duration, parse_duration(text.substr(8)));
    if (duration.count() > 0) return SplitMode{.kind = Kind::kSeconds, .duration = duration};
  }
  return unexpected(
      ErrorKind::kUsage,
      fmt::format("can't split by '{}': use auto, keyframe, line, eof, bytes:N or seconds:S", text));
}

std::unique_ptr<Splitter> make_splitter(const SplitMode& mode, const TsCutterOptions& ts,
                                        const Clock& clock) {
  switch (mode.kind) {
    case SplitMode::Kind::kKeyframe:
      return std::make_unique<TsSplitter>(ts, clock);
    case SplitMode::Kind::kLine:
      return std::make_unique<LineSplitter>(mode.keep_newline);
    case SplitMode::Kind::kBytes:
      return std::make_unique<BytesSplitter>(mode.bytes);
    case SplitMode::Kind::kSeconds:
      return std::make_unique<SecondsSplitter>(mode.duration, clock);
    case SplitMode::Kind::kAuto:
    case SplitMode::Kind::kEof:
      break;
  }
  return std::make_unique<EofSplitter>();
}

std::optional<Recognized> recognize(Bytes first_bytes, bool at_end, std::chrono::microseconds seconds) {
  const std::string_view text(reinterpret_cast<const char*>(first_bytes.data()), first_bytes.size());
  const size_t start = text.find_first_not_of(" \t\r\n");
  if (start != std::string_view::npos && (text[start] == '{' || text[start] == '[')) {
    return Recognized{{.kind = SplitMode::Kind::kLine}, "application/json", "JSON"};
  }
  const bool enough = at_end || first_bytes.size() >= ts::kProbeBytes;
  const bool may_be_ts = first_bytes.empty() || first_bytes[0] == ts::kSyncByte;
  if (may_be_ts && first_bytes.size() > ts::kPacketBytes && first_bytes[ts::kPacketBytes] == ts::kSyncByte) {
    return Recognized{{.kind = SplitMode::Kind::kKeyframe}, "video/MP2T", "MPEG-TS"};
  }
  const SplitMode by_time{.kind = SplitMode::Kind::kSeconds, .duration = seconds};
  for (const Signature& signature : kSignatures) {
    if (text.substr(std::min(signature.at, text.size())).starts_with(signature.bytes)) {
      return Recognized{by_time, "application/octet-stream", signature.what, false};
    }
  }
  if (!enough) return std::nullopt;
  if (ts::looks_like_ts(first_bytes)) {
    return Recognized{{.kind = SplitMode::Kind::kKeyframe}, "video/MP2T", "MPEG-TS"};
  }
  return Recognized{by_time, "application/octet-stream", "of no known kind", false};
}

}  // namespace trickle
