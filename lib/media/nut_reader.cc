#include "media/nut_reader.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

#include "base/try.h"

namespace trickle {
namespace {

constexpr uint64_t kMain = 0x4E4D7A561F5F04AD;
constexpr uint64_t kStream = 0x4E5311405BF2F9DB;
constexpr uint64_t kSyncpoint = 0x4E4BE4ADEECA4569;
constexpr uint64_t kIndex = 0x4E58DD672F23E64E;
constexpr uint64_t kInfo = 0x4E49AB68B596BA78;

enum Flag : uint64_t {
  kCodedPts = 8,
  kStreamId = 16,
  kSizeMsb = 32,
  kChecksum = 64,
  kReserved = 128,
  kSideMeta = 256,
  kHeaderIndex = 1024,
  kMatchTime = 2048,
  kCoded = 4096,
  kInvalid = 8192,
};
constexpr uint64_t kBroadcast = 1;

constexpr size_t kBufferBytes = 8 * 1024;
constexpr size_t kMostTracks = 64;
constexpr uint64_t kMostTimeBases = 64;
constexpr uint64_t kMostElidedBytes = 1024;
constexpr uint64_t kLargestHeader = 1 << 20;
constexpr uint64_t kLargestPayload = uint64_t{1} << 32;
constexpr uint64_t kLargestText = 64 * 1024;
// The headers of a file that is none must not be searched for without end.
constexpr size_t kLongestHeaders = 4 << 20;
constexpr uint64_t kMaxSide = 16384;
constexpr int64_t kMostDelta = int64_t{1} << 40;
// Larger packets never leave a header out.
constexpr uint64_t kLargestWithElision = 4096;
constexpr size_t kChecksumBytes = 4;

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i << 24;
    for (int bit = 0; bit < 8; ++bit) crc = (crc << 1) ^ ((crc & 0x80000000) != 0 ? 0x04C11DB7 : 0);
    table[i] = crc;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kCrcTable = make_crc_table();

uint32_t crc_step(uint32_t crc, uint8_t byte) { return (crc << 8) ^ kCrcTable[(crc >> 24) ^ byte]; }

uint32_t crc_of(uint32_t crc, std::span<const uint8_t> bytes) {
  for (const uint8_t byte : bytes) crc = crc_step(crc, byte);
  return crc;
}

bool is_startcode(uint64_t value) {
  return value == kMain || value == kStream || value == kSyncpoint || value == kIndex || value == kInfo;
}

// 0, 1, -1, 2, -2, … as 0, 1, 2, 3, 4, …
int64_t signed_of(uint64_t value) {
  const auto half = static_cast<int64_t>((value >> 1) + (value & 1));
  return (value & 1) != 0 ? half : -half;
}

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

Unexpected broken(const char* what) { return unexpected(ErrorKind::kBadData, what); }

}  // namespace

// The fields of a header that is in memory whole. Past its end everything is 0, and ok() is false.
class NutReader::Fields {
 public:
  explicit Fields(std::span<const uint8_t> bytes) : rest_(bytes) {}
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool more() const { return ok_ && !rest_.empty(); }
  uint64_t v() {
    uint64_t value = 0;
    while (!rest_.empty()) {
      const uint8_t byte = rest_.front();
      rest_ = rest_.subspan(1);
      if (value > std::numeric_limits<uint64_t>::max() >> 7) break;
      value = value << 7 | (byte & 0x7f);
      if ((byte & 0x80) == 0) return value;
    }
    ok_ = false;
    return 0;
  }
  int64_t s() { return signed_of(v()); }
  std::span<const uint8_t> bytes() {
    const uint64_t size = v();
    if (size > rest_.size()) {
      ok_ = false;
      return {};
    }
    const auto result = rest_.first(static_cast<size_t>(size));
    rest_ = rest_.subspan(result.size());
    return result;
  }
  std::string_view text() {
    const auto data = bytes();
    return {reinterpret_cast<const char*>(data.data()), data.size()};
  }

 private:
  std::span<const uint8_t> rest_;
  bool ok_ = true;
};

NutReader::NutReader(NutBytes& bytes) : bytes_(bytes) {}

// Sees to it that this many bytes are in the buffer. False when the input ends before.
Result<bool> NutReader::need(size_t size_bytes) {
  while (buffer_.size() - used_ < size_bytes) {
    if (!keep_all_ && used_ > 0) {
      buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(used_));
      used_ = 0;
    }
    const size_t filled = buffer_.size();
    const size_t room = std::max(kBufferBytes, size_bytes);
    buffer_.resize(filled + room);
    auto count = bytes_.read(std::span(buffer_).subspan(filled, room));
    buffer_.resize(filled + (count ? *count : 0));
    if (!count) return unexpected(std::move(count).error());
    if (*count == 0) return false;
  }
  return true;
}

Result<std::optional<uint8_t>> NutReader::byte() {
  if (used_ == buffer_.size()) {
    TRICKLE_TRY_ASSIGN(const bool there, need(1));
    if (!there) return std::optional<uint8_t>();
  }
  const uint8_t value = buffer_[used_++];
  checksum_ = crc_step(checksum_, value);
  return std::optional(value);
}

// A variable-length number. Nothing at the end of the input, or when it is longer than 64 bits.
Result<std::optional<uint64_t>> NutReader::coded() {
  uint64_t value = 0;
  while (true) {
    TRICKLE_TRY_ASSIGN(const std::optional<uint8_t> next, byte());
    if (!next || value > std::numeric_limits<uint64_t>::max() >> 7) return std::optional<uint64_t>();
    value = value << 7 | (*next & 0x7f);
    if ((*next & 0x80) == 0) return std::optional(value);
  }
}

Result<bool> NutReader::skip(uint64_t size_bytes) {
  while (size_bytes > 0) {
    if (used_ == buffer_.size()) {
      TRICKLE_TRY_ASSIGN(const bool there, need(1));
      if (!there) return false;
    }
    const uint64_t count = std::min<uint64_t>(size_bytes, buffer_.size() - used_);
    used_ += static_cast<size_t>(count);
    size_bytes -= count;
  }
  return true;
}

// The next startcode, wherever it is; it is taken. 0 at the end.
Result<uint64_t> NutReader::find_startcode() {
  uint64_t state = 0;
  while (true) {
    TRICKLE_TRY_ASSIGN(const std::optional<uint8_t> next, byte());
    if (!next) return uint64_t{0};
    state = state << 8 | *next;
    if (is_startcode(state)) return state;
    if (keep_all_ && used_ > kLongestHeaders) return uint64_t{0};
  }
}

// What follows a startcode: the body without its checksum, which is right. Nothing when it is damaged.
Result<std::optional<std::vector<uint8_t>>> NutReader::packet_body() {
  TRICKLE_TRY_ASSIGN(const std::optional<uint64_t> size, coded());
  if (!size || *size < kChecksumBytes || *size > kLargestHeader) return std::optional<std::vector<uint8_t>>();
  const bool own_checksum = *size > 4096;
  const size_t head = own_checksum ? kChecksumBytes : 0;
  TRICKLE_TRY_ASSIGN(const bool there, need(head + static_cast<size_t>(*size)));
  if (!there) return std::optional<std::vector<uint8_t>>();
  const auto body = std::span(buffer_).subspan(used_ + head, static_cast<size_t>(*size));
  if (crc_of(0, body) != 0) return std::optional<std::vector<uint8_t>>();
  used_ += head + body.size();
  return std::optional(std::vector<uint8_t>(body.begin(), body.end() - kChecksumBytes));
}

bool NutReader::use_frame_codes(Fields& fields) {
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
  codes_['N'].flags = kInvalid;
  return true;
}

bool NutReader::use_main_header(std::span<const uint8_t> body) {
  Fields fields(body);
  version_ = fields.v();
  if (version_ < 2 || version_ > 4) return false;
  if (version_ > 3) fields.v();  // The minor version.
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
  flags_ = version_ > 3 && fields.more() ? fields.v() : 0;
  return fields.ok();
}

bool NutReader::use_stream_header(std::span<const uint8_t> body) {
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
void NutReader::use_info(std::span<const uint8_t> body) {
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

bool NutReader::use_syncpoint(std::span<const uint8_t> body) {
  Fields fields(body);
  const uint64_t coded_time = fields.v();
  fields.v();  // back_ptr: for those who seek.
  if ((flags_ & kBroadcast) != 0) fields.v();
  if (!fields.ok()) return false;
  const Rational time_base = time_bases_[static_cast<size_t>(coded_time % time_bases_.size())];
  for (Stream& stream : streams_) {
    const auto pts = rescaled(coded_time / time_bases_.size(), time_base, time_bases_[stream.time_base]);
    if (!pts) return false;
    stream.last_pts = *pts;
  }
  return true;
}

Result<void> NutReader::read_headers() {
  bool have_main = false;
  size_t known = 0;
  while (!have_main || known < streams_.size()) {
    TRICKLE_TRY_ASSIGN(const uint64_t startcode, find_startcode());
    if (startcode == 0)
      return broken("the frame stream ends before its first frame, or its headers are broken");
    if (startcode != kMain && startcode != kStream) continue;
    TRICKLE_TRY_ASSIGN(const auto body, packet_body());
    if (startcode == kMain) {
      if (have_main) continue;  // The same once more.
      have_main = body && use_main_header(*body);
      if (!have_main) return broken("the frame stream's headers are broken");
    } else if (have_main && (!body || !use_stream_header(*body))) {
      return broken("the frame stream's headers are broken");
    }
    known = static_cast<size_t>(
        std::count_if(streams_.begin(), streams_.end(), [](const Stream& stream) { return stream.known; }));
  }
  return {};
}

// What stands between packets of tracks. False when it was damaged.
Result<bool> NutReader::use_startcode(uint64_t startcode) {
  if (startcode == kIndex) {  // May be large, and nobody needs it.
    TRICKLE_TRY_ASSIGN(const std::optional<uint64_t> size, coded());
    if (!size) return false;
    return skip(*size + (*size > 4096 ? kChecksumBytes : 0));
  }
  TRICKLE_TRY_ASSIGN(const auto body, packet_body());
  if (!body) return false;
  if (startcode == kInfo) use_info(*body);
  return startcode != kSyncpoint || use_syncpoint(*body);
}

Result<std::optional<NutPacket>> NutReader::next() {
  keep_all_ = false;
  if (data_left_ > 0) TRICKLE_TRY(skip(std::exchange(data_left_, 0)));
  data_prefix_.clear();
  while (true) {
    uint64_t startcode = std::exchange(startcode_, 0);
    if (startcode == 0) {
      checksum_ = 0;
      TRICKLE_TRY_ASSIGN(const std::optional<uint8_t> code, byte());
      if (!code) return std::optional<NutPacket>();
      if (*code == 'N') {
        TRICKLE_TRY_ASSIGN(const bool there, need(7));
        if (!there) return std::optional<NutPacket>();
        startcode = 'N';
        for (size_t i = 0; i < 7; ++i) startcode = startcode << 8 | buffer_[used_ + i];
        if (is_startcode(startcode)) {
          used_ += 7;
        } else {
          startcode = 0;
        }
      } else {
        TRICKLE_TRY_ASSIGN(std::optional<NutPacket> packet, frame(*code));
        if (packet) return packet;
      }
    }
    if (startcode != 0) {
      TRICKLE_TRY_ASSIGN(const bool intact, use_startcode(startcode));
      if (intact) continue;
    }
    ++damages_;
    TRICKLE_TRY_ASSIGN(startcode_, find_startcode());
    if (startcode_ == 0) return std::optional<NutPacket>();
  }
}

// A packet's header, after its first byte. Nothing when it is damaged, or the input ended in it.
Result<std::optional<NutPacket>> NutReader::frame(uint8_t code_byte) {
  const std::optional<NutPacket> none;
  const FrameCode& code = codes_[code_byte];
  uint64_t flags = code.flags;
  const auto field = [&](uint64_t flag, uint64_t& value) -> Result<bool> {
    if ((flags & flag) == 0) return true;
    TRICKLE_TRY_ASSIGN(const std::optional<uint64_t> number, coded());
    if (number) value = *number;
    return number.has_value();
  };
  if ((flags & kInvalid) != 0) return none;
  uint64_t changed = 0;
  uint64_t stream_number = code.stream;
  TRICKLE_TRY_ASSIGN(bool intact, field(kCoded, changed));
  flags ^= changed;
  TRICKLE_TRY_ASSIGN(const bool has_stream, field(kStreamId, stream_number));
  if (!intact || !has_stream || (flags & kInvalid) != 0 || stream_number >= streams_.size()) return none;
  Stream& stream = streams_[static_cast<size_t>(stream_number)];

  uint64_t coded_pts = 0;
  uint64_t size_msb = 0;
  uint64_t match_time = 0;
  uint64_t header = code.header;
  uint64_t reserved = code.reserved;
  for (const auto& [flag, value] :
       {std::pair{uint64_t{kCodedPts}, &coded_pts}, std::pair{uint64_t{kSizeMsb}, &size_msb},
        std::pair{uint64_t{kMatchTime}, &match_time}, std::pair{uint64_t{kHeaderIndex}, &header},
        std::pair{uint64_t{kReserved}, &reserved}}) {
    TRICKLE_TRY_ASSIGN(intact, field(flag, *value));
    if (!intact) return none;
  }
  for (uint64_t i = 0; i < reserved; ++i) {
    TRICKLE_TRY_ASSIGN(const std::optional<uint64_t> ignored, coded());
    if (!ignored) return none;
  }
  if ((flags & kChecksum) != 0) {
    const uint32_t expected = checksum_;
    TRICKLE_TRY_ASSIGN(const bool there, need(kChecksumBytes));
    if (!there) return none;
    uint32_t stated = 0;
    for (size_t i = 0; i < kChecksumBytes; ++i) stated = stated << 8 | buffer_[used_ + i];
    if (stated != expected) return none;
    used_ += kChecksumBytes;
  }
  if (size_msb > kLargestPayload || code.size_mul > kLargestPayload || header >= elided_.size()) return none;
  uint64_t size = code.size_lsb + code.size_mul * size_msb;
  if (size > kLargestPayload) return none;
  if (size > kLargestWithElision) header = 0;
  const std::vector<uint8_t>& prefix = elided_[static_cast<size_t>(header)];
  if (size < prefix.size()) return none;
  size -= prefix.size();

  NutPacket packet;
  packet.track = static_cast<size_t>(stream_number);
  const uint64_t low_bits = uint64_t{1} << stream.msb_pts_shift;
  if ((flags & kCodedPts) == 0) {
    packet.pts = stream.last_pts + std::clamp(code.pts_delta, -kMostDelta, kMostDelta);
  } else if (coded_pts < low_bits) {
    const int64_t mask = static_cast<int64_t>(low_bits) - 1;
    const int64_t delta = stream.last_pts - mask / 2;
    packet.pts = ((static_cast<int64_t>(coded_pts) - delta) & mask) + delta;
  } else {
    packet.pts = static_cast<int64_t>(std::min<uint64_t>(coded_pts - low_bits, uint64_t{1} << 61));
  }
  stream.last_pts = std::clamp<int64_t>(packet.pts, -(int64_t{1} << 61), int64_t{1} << 61);
  if ((flags & kSideMeta) != 0) {
    for (const bool meta : {false, true}) {
      TRICKLE_TRY_ASSIGN(intact, side_data(packet, size, meta));
      if (!intact) return none;
    }
  }
  data_prefix_ = prefix;
  data_left_ = size;
  packet.data_bytes = prefix.size() + static_cast<size_t>(size);
  return std::optional(std::move(packet));
}

Result<bool> NutReader::coded_within(uint64_t& value, uint64_t& left) {
  value = 0;
  while (left > 0) {
    TRICKLE_TRY_ASSIGN(const std::optional<uint8_t> next, byte());
    if (!next || value > std::numeric_limits<uint64_t>::max() >> 7) return false;
    --left;
    value = value << 7 | (*next & 0x7f);
    if ((*next & 0x80) == 0) return true;
  }
  return false;
}

Result<bool> NutReader::text_within(std::string& text, uint64_t& left) {
  uint64_t size = 0;
  TRICKLE_TRY_ASSIGN(const bool intact, coded_within(size, left));
  if (!intact || size > left || size > kLargestText) return false;
  TRICKLE_TRY_ASSIGN(const bool there, need(static_cast<size_t>(size)));
  if (!there) return false;
  text.assign(reinterpret_cast<const char*>(buffer_.data()) + used_, static_cast<size_t>(size));
  used_ += static_cast<size_t>(size);
  left -= size;
  return true;
}

// Names with values before the data of a packet, `left` bytes at most.
Result<bool> NutReader::side_data(NutPacket& packet, uint64_t& left, bool meta) {
  uint64_t count = 0;
  TRICKLE_TRY_ASSIGN(bool intact, coded_within(count, left));
  for (uint64_t i = 0; intact && i < count; ++i) {
    std::string name;
    std::string text;
    uint64_t coded_value = 0;
    TRICKLE_TRY_ASSIGN(intact, text_within(name, left));
    if (!intact) return false;
    TRICKLE_TRY_ASSIGN(intact, coded_within(coded_value, left));
    if (!intact) return false;
    const int64_t value = signed_of(coded_value);
    if (value == -2) {
      TRICKLE_TRY_ASSIGN(intact, text_within(text, left));  // Its type.
      if (!intact) return false;
    }
    if (value == -1 || value == -2) {
      TRICKLE_TRY_ASSIGN(intact, text_within(text, left));
      if (value == -2 && name == "Extradata" && !meta) packet.new_extradata = std::move(text);
    } else if (value < -2) {
      TRICKLE_TRY_ASSIGN(intact, coded_within(coded_value, left));
    } else if (!meta && (name == "Width" || name == "Height")) {
      if (!packet.new_size) packet.new_size.emplace(std::array<int64_t, 2>{0, 0});
      (*packet.new_size)[name == "Width" ? 0 : 1] = value;
    }
  }
  return intact;
}

Result<size_t> NutReader::read_data(std::span<uint8_t> target) {
  size_t filled = std::min(data_prefix_.size(), target.size());
  std::copy_n(data_prefix_.begin(), filled, target.begin());
  target = target.first(static_cast<size_t>(std::min<uint64_t>(target.size(), filled + data_left_)));
  const size_t buffered = std::min(buffer_.size() - used_, target.size() - filled);
  std::copy_n(buffer_.begin() + static_cast<ptrdiff_t>(used_), buffered,
              target.begin() + static_cast<ptrdiff_t>(filled));
  used_ += buffered;
  filled += buffered;
  data_left_ -= buffered;
  while (filled < target.size()) {
    TRICKLE_TRY_ASSIGN(const size_t count, bytes_.read(target.subspan(filled)));
    if (count == 0) {
      data_left_ = 0;
      return filled;
    }
    filled += count;
    data_left_ -= count;
  }
  return filled;
}

}  // namespace trickle
