#include "media/video_size.h"

#include <algorithm>
#include <array>
#include <vector>

namespace trickle::ts {
namespace {

using Bytes = std::span<const uint8_t>;

constexpr int kLargestSide = 16384;

// Reads bits of a NAL unit whose emulation prevention bytes are gone. Reading past the end gives zeros and is
// noted.
class BitReader {
 public:
  explicit BitReader(Bytes bytes) : bytes_(bytes) {}
  uint32_t bits(int count) {
    uint32_t value = 0;
    for (; count > 0; --count, ++at_) {
      const bool there = at_ / 8 < bytes_.size();
      value = value << 1 | (there ? bytes_[at_ / 8] >> (7 - at_ % 8) & 1U : 0U);
      if (!there) past_end_ = true;
    }
    return value;
  }
  void skip(size_t count) { at_ += count; }
  uint32_t exp_golomb() {
    int zeros = 0;
    while (zeros < 32 && bits(1) == 0) ++zeros;
    if (zeros == 32) past_end_ = true;
    return past_end_ ? 0 : (1U << zeros) - 1 + bits(zeros);
  }
  void skip_exp_golomb(int count) {
    for (; count > 0; --count) exp_golomb();
  }
  [[nodiscard]] bool past_end() const { return past_end_; }

 private:
  Bytes bytes_;
  size_t at_ = 0;
  bool past_end_ = false;
};

std::vector<uint8_t> without_emulation_prevention(Bytes unit) {
  std::vector<uint8_t> plain;
  for (size_t i = 0; i < unit.size(); ++i) {
    const size_t n = plain.size();
    if (unit[i] == 3 && n >= 2 && plain[n - 1] == 0 && plain[n - 2] == 0 && i >= 2 && unit[i - 1] == 0)
      continue;
    plain.push_back(unit[i]);
  }
  return plain;
}

std::optional<VideoSize> checked(const BitReader& reader, int64_t width, int64_t height) {
  const bool sane = width > 0 && height > 0 && width <= kLargestSide && height <= kLargestSide;
  if (reader.past_end() || !sane) return std::nullopt;
  return VideoSize{static_cast<int>(width), static_cast<int>(height)};
}

void skip_h264_scaling_lists(BitReader& reader, int lists) {
  for (int i = 0; i < lists; ++i) {
    if (reader.bits(1) == 0) continue;
    int last = 8;
    int next = 8;
    for (int j = 0; j < (i < 6 ? 16 : 64) && !reader.past_end(); ++j) {
      if (next != 0) {
        const uint32_t code = reader.exp_golomb();
        const int delta = (code & 1) != 0 ? static_cast<int>(code / 2 + 1) : -static_cast<int>(code / 2);
        next = (last + delta) & 0xff;
      }
      if (next != 0) last = next;
    }
  }
}

bool has_h264_chroma_fields(uint32_t profile) {
  constexpr std::array<uint32_t, 13> kProfiles{100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135};
  return std::find(kProfiles.begin(), kProfiles.end(), profile) != kProfiles.end();
}

std::optional<VideoSize> h264_size(BitReader reader) {
  const uint32_t profile = reader.bits(8);
  reader.skip(16);  // Constraints and level.
  reader.exp_golomb();
  uint32_t chroma = 1;
  if (has_h264_chroma_fields(profile)) {
    chroma = reader.exp_golomb();
    if (chroma == 3) reader.skip(1);
    reader.skip_exp_golomb(2);  // Bit depths.
    reader.skip(1);
    if (reader.bits(1) != 0) skip_h264_scaling_lists(reader, chroma == 3 ? 12 : 8);
  }
  reader.exp_golomb();
  const uint32_t order = reader.exp_golomb();
  if (order == 0) {
    reader.exp_golomb();
  } else if (order == 1) {
    reader.skip(1);
    reader.skip_exp_golomb(2);
    reader.skip_exp_golomb(static_cast<int>(std::min(reader.exp_golomb(), 255U)));
  }
  reader.exp_golomb();
  reader.skip(1);
  const int64_t width = (int64_t{reader.exp_golomb()} + 1) * 16;
  const int64_t map_units = int64_t{reader.exp_golomb()} + 1;
  const int64_t fields = reader.bits(1) != 0 ? 1 : 2;
  if (fields == 2) reader.skip(1);
  reader.skip(1);
  int64_t left = 0, right = 0, top = 0, bottom = 0;
  if (reader.bits(1) != 0) {
    left = reader.exp_golomb();
    right = reader.exp_golomb();
    top = reader.exp_golomb();
    bottom = reader.exp_golomb();
  }
  const int64_t unit_x = chroma == 1 || chroma == 2 ? 2 : 1;
  const int64_t unit_y = (chroma == 1 ? 2 : 1) * fields;
  return checked(reader, width - unit_x * (left + right), map_units * 16 * fields - unit_y * (top + bottom));
}

std::optional<VideoSize> hevc_size(BitReader reader) {
  reader.skip(8);  // The second byte of the NAL header.
  reader.skip(4);
  const uint32_t sub_layers = reader.bits(3);  // Minus 1.
  reader.skip(1);
  reader.skip(88 + 8);  // profile_tier_level, its general part.
  std::array<bool, 8> profile_present{}, level_present{};
  for (uint32_t i = 0; i < sub_layers; ++i) {
    profile_present.at(i) = reader.bits(1) != 0;
    level_present.at(i) = reader.bits(1) != 0;
  }
  if (sub_layers > 0) reader.skip(2 * (8 - sub_layers));
  for (uint32_t i = 0; i < sub_layers; ++i) {
    reader.skip((profile_present.at(i) ? 88 : 0) + (level_present.at(i) ? 8 : 0));
  }
  reader.exp_golomb();
  const uint32_t chroma = reader.exp_golomb();
  if (chroma == 3) reader.skip(1);
  const int64_t width = reader.exp_golomb();
  const int64_t height = reader.exp_golomb();
  int64_t left = 0, right = 0, top = 0, bottom = 0;
  if (reader.bits(1) != 0) {
    left = reader.exp_golomb();
    right = reader.exp_golomb();
    top = reader.exp_golomb();
    bottom = reader.exp_golomb();
  }
  const int64_t unit_x = chroma == 1 || chroma == 2 ? 2 : 1;
  const int64_t unit_y = chroma == 1 ? 2 : 1;
  return checked(reader, width - unit_x * (left + right), height - unit_y * (top + bottom));
}

std::optional<VideoSize> size_of_unit(Codec codec, Bytes unit) {
  constexpr int kH264Sps = 7;
  constexpr int kHevcSps = 33;
  constexpr uint8_t kSequenceHeader = 0xb3;
  if (unit.size() < 2) return std::nullopt;
  switch (codec) {
    case Codec::kH264:
      if ((unit[0] & 0x1f) != kH264Sps) return std::nullopt;
      return h264_size(BitReader(without_emulation_prevention(unit.subspan(1))));
    case Codec::kHevc:
      if (((unit[0] >> 1) & 0x3f) != kHevcSps) return std::nullopt;
      return hevc_size(BitReader(without_emulation_prevention(unit.subspan(1))));
    case Codec::kMpeg1Video:
    case Codec::kMpeg2Video: {
      if (unit[0] != kSequenceHeader) return std::nullopt;
      BitReader reader(unit.subspan(1));
      const int64_t width = reader.bits(12);
      return checked(reader, width, reader.bits(12));
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<VideoSize> find_video_size(Codec codec, Bytes access_unit) {
  constexpr size_t kMaxUnitBytes = 1024;  // No sequence header is longer, but for scaling lists without end.
  for (size_t at = 0; at + 3 < access_unit.size(); ++at) {
    if (access_unit[at] != 0 || access_unit[at + 1] != 0 || access_unit[at + 2] != 1) continue;
    const Bytes unit = access_unit.subspan(at + 3);
    if (const auto size = size_of_unit(codec, unit.first(std::min(unit.size(), kMaxUnitBytes)))) return size;
  }
  return std::nullopt;
}

}  // namespace trickle::ts
