#include "media/nut_headers.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

namespace trickle {
namespace {

using nut::Fields;

constexpr size_t kMostTracks = 64;
constexpr uint64_t kMostTimeBases = 64;
constexpr uint64_t kMostElidedBytes = 1024;
constexpr uint64_t kMaxSide = 16384;
constexpr int64_t kMostDelta = int64_t{1} << 40;
// Times beyond it are no times that were meant, and must not overflow.
constexpr uint64_t kLatest = uint64_t{1} << 61;

__extension__ typedef __int128 Wide;  // NOLINT: __extension__ takes no alias

// Ticks of one time base as ticks of another, rounded down; what overflows is no time that was meant.
std::optional<int64_t> rescaled(uint64_t ticks, Rational from, Rational to) {
  const Wide value = static_cast<Wide>(ticks) * from.num * to.den / (static_cast<Wide>(from.den) * to.num);
  if (value > std::numeric_limits<int64_t>::max() / 2) return std::nullopt;
  return static_cast<int64_t>(value);
}

// "30000/1001"; 0/1 for anything else.
Rational fraction_of(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return {};
  Rational result;
  const std::string_view num = text.substr(0, slash);
  const std::string_view den = text.substr(slash + 1);
  const bool read = std::from_chars(num.data(), num.data() + num.size(), result.num).ec == std::errc() &&
                    std::from_chars(den.data(), den.data() + den.size(), result.den).ec == std::errc();
  return read && result.known() ? result : Rational{};
}

}  // namespace

int64_t NutHeaders::Stream::next_pts(std::optional<uint64_t> coded, int64_t delta) {
  int64_t pts = 0;
  const uint64_t low_bits = uint64_t{1} << msb_pts_shift;
  if (!coded) {
    pts = last_pts + std::clamp(delta, -kMostDelta, kMostDelta);
  } else if (*coded < low_bits) {
    const int64_t mask = static_cast<int64_t>(low_bits) - 1;
    const int64_t base = last_pts - mask / 2;
    pts = ((static_cast<int64_t>(*coded) - base) & mask) + base;
  } else {
    pts = static_cast<int64_t>(std::min<uint64_t>(*coded - low_bits, kLatest));
  }
  constexpr auto kLimit = static_cast<int64_t>(kLatest);
  last_pts = std::clamp(pts, -kLimit, kLimit);
  return pts;
}

bool NutHeaders::complete() const {
  return have_main() &&
         std::all_of(streams_.begin(), streams_.end(), [](const Stream& stream) { return stream.known; });
}

bool NutHeaders::use_frame_codes(Fields& fields) {
  FrameCode code;
  for (size_t i = 0; i < codes_.size();) {
    code.flags = fields.v();
    const uint64_t count_of_fields = fields.v();
    if (count_of_fields > 0) code.pts_delta = fields.s();
    if (count_of_fields > 1) code.size_mul = fields.v();
    if (count_of_fields > 2) code.stream = fields.v();
    code.size_lsb = count_of_fields > 3 ? fields.v() : 0;
    code.reserved = count_of_fields > 4 ? fields.v() : 0;
    uint64_t count = count_of_fields > 5 ? fields.v() : code.size_mul - code.size_lsb;
    if (count_of_fields > 6) fields.s();
    if (count_of_fields > 7) code.header = fields.v();
    for (uint64_t field = 8; field < count_of_fields && fields.ok(); ++field) fields.v();
    const size_t room = codes_.size() - i - (i <= 'N' ? 1 : 0);
    if (!fields.ok() || count == 0 || count > room || code.stream >= streams_.size()) return false;
    for (; count > 0; ++i) {
      if (i == 'N') continue;
      codes_[i] = code;
      ++code.size_lsb;
      --count;
    }
    if (i == 'N') ++i;
  }
  codes_['N'].flags = nut::kInvalid;
  return true;
}

bool NutHeaders::use_main(std::span<const uint8_t> body) {
  Fields fields(body);
  const uint64_t version = fields.v();
  if (version < 2 || version > 4) return false;
  if (version > 3) fields.v();  // The minor version.
  const uint64_t tracks = fields.v();
  fields.v();  // max_distance: for those who seek.
  const uint64_t time_bases = fields.v();
  if (!fields.ok() || tracks == 0 || tracks > kMostTracks || time_bases == 0 || time_bases > kMostTimeBases) {
    return false;
  }
  tracks_.assign(static_cast<size_t>(tracks), {});
  streams_.assign(static_cast<size_t>(tracks), {});
  time_bases_.clear();
  for (uint64_t i = 0; i < time_bases; ++i) {
    const uint64_t num = fields.v();
    const uint64_t den = fields.v();
    constexpr uint64_t kLimit = std::numeric_limits<int>::max();
    if (num == 0 || den == 0 || num > kLimit || den > kLimit) return false;
    time_bases_.push_back({static_cast<int>(num), static_cast<int>(den)});
  }
  if (!use_frame_codes(fields)) return false;
  elided_.assign(1, {});
  if (fields.more()) {
    const uint64_t count = fields.v();
    uint64_t total = 0;
    for (uint64_t i = 0; i < count && fields.ok() && i < 128; ++i) {
      const auto bytes = fields.bytes();
      total += bytes.size();
      if (total > kMostElidedBytes) return false;
      elided_.emplace_back(bytes.begin(), bytes.end());
    }
  }
  flags_ = version > 3 && fields.more() ? fields.v() : 0;
  return fields.ok();
}

bool NutHeaders::use_stream(std::span<const uint8_t> body) {
  Fields fields(body);
  const uint64_t number = fields.v();
  if (number >= tracks_.size()) return false;
  NutTrack track;
  Stream stream;
  const uint64_t kind = fields.v();
  const auto tag = fields.bytes();
  const uint64_t time_base = fields.v();
  stream.msb_pts_shift = fields.v();
  fields.v();  // max_pts_distance
  fields.v();  // decode_delay
  fields.v();  // flags
  const auto extradata = fields.bytes();
  if (!fields.ok() || tag.size() > 4 || time_base >= time_bases_.size() || stream.msb_pts_shift > 15)
    return false;
  for (size_t i = 0; i < tag.size(); ++i) track.codec_tag |= static_cast<uint32_t>(tag[i]) << 8 * i;
  track.time_base = time_bases_[static_cast<size_t>(time_base)];
  track.extradata.assign(extradata.begin(), extradata.end());
  if (kind == 0) {
    track.kind = NutTrack::Kind::kVideo;
    const uint64_t width = fields.v();
    const uint64_t height = fields.v();
    const uint64_t across = fields.v();
    const uint64_t down = fields.v();
    if (!fields.ok() || width == 0 || height == 0 || width > kMaxSide || height > kMaxSide) return false;
    track.width = static_cast<int>(width);
    track.height = static_cast<int>(height);
    constexpr uint64_t kLimit = std::numeric_limits<int>::max();
    if (across > 0 && down > 0 && across <= kLimit && down <= kLimit) {
      track.sample_aspect = {static_cast<int>(across), static_cast<int>(down)};
    }
  } else if (kind == 1) {
    track.kind = NutTrack::Kind::kAudio;
    const uint64_t rate = fields.v();
    fields.v();  // Its divisor, which is 1.
    const uint64_t channels = fields.v();
    if (!fields.ok() || rate == 0 || rate > 1'000'000 || channels == 0 || channels > 64) return false;
    track.sample_rate = static_cast<int>(rate);
    track.channels = static_cast<int>(channels);
  }
  stream.time_base = static_cast<size_t>(time_base);
  stream.known = true;
  tracks_[static_cast<size_t>(number)] = std::move(track);
  streams_[static_cast<size_t>(number)] = stream;
  return true;
}

// Of all that may stand there we want the nominal frame rate.
void NutHeaders::use_info(std::span<const uint8_t> body) {
  Fields fields(body);
  const uint64_t track = fields.v();  // From 1; 0 is the file.
  fields.s();                         // Chapter, its start and its length.
  fields.v();
  fields.v();
  const uint64_t count = fields.v();
  for (uint64_t i = 0; i < count && fields.more(); ++i) {
    const std::string_view name = fields.text();
    const int64_t value = fields.s();
    if (value == -1) {
      const std::string_view text = fields.text();
      const bool wanted = fields.ok() && name == "r_frame_rate" && track > 0 && track <= tracks_.size();
      if (wanted) tracks_[static_cast<size_t>(track - 1)].frame_rate = fraction_of(text);
    } else if (value == -2) {
      fields.text();
      fields.text();
    } else if (value < -2) {
      fields.v();
    }
  }
}

bool NutHeaders::use_syncpoint(std::span<const uint8_t> body) {
  Fields fields(body);
  const uint64_t coded_time = fields.v();
  fields.v();  // back_ptr: for those who seek.
  if ((flags_ & nut::kBroadcast) != 0) fields.v();
  if (!fields.ok()) return false;
  const Rational time_base = time_bases_[static_cast<size_t>(coded_time % time_bases_.size())];
  for (Stream& stream : streams_) {
    const auto pts = rescaled(coded_time / time_bases_.size(), time_base, time_bases_[stream.time_base]);
    if (!pts) return false;
    stream.last_pts = *pts;
  }
  return true;
}

}  // namespace trickle
