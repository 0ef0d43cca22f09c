#include "media/nut_reader.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/try.h"

namespace trickle {

using namespace nut;

namespace {

constexpr size_t kBufferBytes = 8 * 1024;
constexpr uint64_t kLargestHeader = 1 << 20;
constexpr uint64_t kLargestPayload = uint64_t{1} << 32;
constexpr uint64_t kLargestText = 64 * 1024;
// The headers of a file that is none must not be searched for without end.
constexpr size_t kLongestHeaders = 4 << 20;
// Larger packets never leave a header out.
constexpr uint64_t kLargestWithElision = 4096;
constexpr size_t kChecksumBytes = 4;

Unexpected broken(const char* what) { return unexpected(ErrorKind::kBadData, what); }

}  // namespace

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

Result<void> NutReader::read_headers() {
  while (!headers_.complete()) {
    TRICKLE_TRY_ASSIGN(const uint64_t startcode, find_startcode());
    if (startcode == 0)
      return broken("the frame stream ends before its first frame, or its headers are broken");
    if (startcode != kMain && startcode != kStream) continue;
    TRICKLE_TRY_ASSIGN(const auto body, packet_body());
    bool usable = true;
    if (startcode == kMain && !headers_.have_main()) usable = body && headers_.use_main(*body);
    if (startcode == kStream && headers_.have_main()) usable = body && headers_.use_stream(*body);
    if (!usable)
      return broken("the frame stream's headers are broken, or its pictures larger than 16384 a side");
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
  if (startcode == kInfo) headers_.use_info(*body);
  return startcode != kSyncpoint || headers_.use_syncpoint(*body);
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

// The fields that `flags` say are there, in the order of the specification. False when one is broken.
Result<bool> NutReader::read_fields(uint64_t flags, FrameFields& fields) {
  for (const auto& [flag, value] :
       {std::pair{uint64_t{kCodedPts}, &fields.coded_pts}, std::pair{uint64_t{kSizeMsb}, &fields.size_msb},
        std::pair{uint64_t{kMatchTime}, &fields.match_time},
        std::pair{uint64_t{kHeaderIndex}, &fields.header},
        std::pair{uint64_t{kReserved}, &fields.reserved}}) {
    if ((flags & flag) == 0) continue;
    TRICKLE_TRY_ASSIGN(const std::optional<uint64_t> number, coded());
    if (!number) return false;
    *value = *number;
  }
  for (uint64_t i = 0; i < fields.reserved; ++i) {
    TRICKLE_TRY_ASSIGN(const std::optional<uint64_t> ignored, coded());
    if (!ignored) return false;
  }
  if ((flags & kChecksum) == 0) return true;
  const uint32_t expected = checksum_;
  TRICKLE_TRY_ASSIGN(const bool there, need(kChecksumBytes));
  if (!there) return false;
  uint32_t stated = 0;
  for (size_t i = 0; i < kChecksumBytes; ++i) stated = stated << 8 | buffer_[used_ + i];
  used_ += kChecksumBytes;
  return stated == expected;
}

// Bytes of the packet without what it leaves out, which goes to data_prefix_. Nothing for an impossible size.
std::optional<uint64_t> NutReader::size_of(const NutHeaders::FrameCode& code, const FrameFields& fields) {
  const auto& elided = headers_.elided();
  if (fields.size_msb > kLargestPayload || code.size_mul > kLargestPayload || fields.header >= elided.size())
    return std::nullopt;
  const uint64_t size = code.size_lsb + code.size_mul * fields.size_msb;
  if (size > kLargestPayload) return std::nullopt;
  data_prefix_ = elided[size > kLargestWithElision ? 0 : static_cast<size_t>(fields.header)];
  if (size < data_prefix_.size()) return std::nullopt;
  return size - data_prefix_.size();
}

// A packet's header, after its first byte. Nothing when it is damaged, or the input ended in it.
Result<std::optional<NutPacket>> NutReader::frame(uint8_t code_byte) {
  const std::optional<NutPacket> none;
  const NutHeaders::FrameCode& code = headers_.code(code_byte);
  uint64_t flags = code.flags;
  if ((flags & kInvalid) != 0) return none;
  if ((flags & kCoded) != 0) {
    TRICKLE_TRY_ASSIGN(const std::optional<uint64_t> changed, coded());
    if (!changed) return none;
    flags ^= *changed;
  }
  uint64_t track = code.stream;
  if ((flags & kStreamId) != 0) {
    TRICKLE_TRY_ASSIGN(const std::optional<uint64_t> number, coded());
    if (!number) return none;
    track = *number;
  }
  if ((flags & kInvalid) != 0 || track >= headers_.streams().size()) return none;

  FrameFields fields{.header = code.header, .reserved = code.reserved};
  TRICKLE_TRY_ASSIGN(bool intact, read_fields(flags, fields));
  std::optional<uint64_t> size = intact ? size_of(code, fields) : std::nullopt;
  if (!size) return none;
  NutPacket packet;
  packet.track = static_cast<size_t>(track);
  const bool has_pts = (flags & kCodedPts) != 0;
  packet.pts = headers_.streams()[packet.track].next_pts(
      has_pts ? std::optional(fields.coded_pts) : std::nullopt, code.pts_delta);
  if ((flags & kSideMeta) != 0) {
    for (const bool meta : {false, true}) {
      TRICKLE_TRY_ASSIGN(intact, side_data(packet, *size, meta));
      if (!intact) return none;
    }
  }
  data_left_ = *size;
  packet.data_bytes = data_prefix_.size() + static_cast<size_t>(*size);
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
