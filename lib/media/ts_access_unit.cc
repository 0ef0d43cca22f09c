#include "media/ts_access_unit.h"

#include <cstring>

namespace trickle::ts {
namespace {

// No real access unit hides its first slice behind more than this.
constexpr size_t kMaxHeadBytes = 256 * 1024;
constexpr size_t kStartCodeBytes = 3;
// What must follow a start code before it can be judged: headers, and the first SEI messages or picture type.
constexpr size_t kLookBytes = 4;
constexpr uint8_t kRecoveryPointMessage = 6;

}  // namespace

bool can_scan(Codec codec) {
  return codec == Codec::kH264 || codec == Codec::kHevc || codec == Codec::kMpeg2Video ||
         codec == Codec::kMpeg1Video;
}

void AccessUnitScanner::reset(Codec codec) {
  codec_ = codec;
  verdict_ = RandomAccess::kUndecided;
  head_.clear();
  scanned_ = 0;
  recovery_ = false;
  sequence_ = false;
}

RandomAccess AccessUnitScanner::add(std::span<const uint8_t> bytes) {
  if (verdict_ != RandomAccess::kUndecided) return verdict_;
  head_.insert(head_.end(), bytes.begin(), bytes.end());
  while (scanned_ + kStartCodeBytes + kLookBytes <= head_.size()) {
    const uint8_t* from = head_.data() + scanned_;
    // A start code is 00 00 01: look for the rare byte, then behind it.
    const auto* one =
        static_cast<const uint8_t*>(std::memchr(from + 2, 1, head_.size() - scanned_ - 2 - kLookBytes));
    if (one == nullptr) {
      scanned_ = head_.size() - kStartCodeBytes - kLookBytes + 1;
      break;
    }
    const auto at = static_cast<size_t>(one - head_.data());
    scanned_ = at - 1;
    if (one[-1] == 0 && one[-2] == 0 && look_at_unit(at + 1)) return verdict_;
  }
  if (head_.size() > kMaxHeadBytes) verdict_ = RandomAccess::kNone;
  return verdict_;
}

// Each look_at function returns true once the verdict is known. `at` is the first byte after the start code.
bool AccessUnitScanner::look_at_unit(size_t at) {
  switch (codec_) {
    case Codec::kH264:
      return look_at_h264(at);
    case Codec::kHevc:
      return look_at_hevc(at);
    case Codec::kMpeg1Video:
    case Codec::kMpeg2Video:
      return look_at_mpeg2(at);
    default:
      verdict_ = RandomAccess::kNone;
      return true;
  }
}

bool AccessUnitScanner::look_at_h264(size_t at) {
  constexpr int kSlice = 1;
  constexpr int kIdrSlice = 5;
  constexpr int kSei = 6;
  const int type = head_[at] & 0x1f;
  if (type == kSei) recovery_ = recovery_ || has_recovery_message(at + 1);
  if (type < kSlice || type > kIdrSlice) return false;
  if (type == kIdrSlice) {
    verdict_ = RandomAccess::kKeyframe;
  } else {
    verdict_ = recovery_ ? RandomAccess::kRecovery : RandomAccess::kNone;
  }
  return true;
}

bool AccessUnitScanner::look_at_hevc(size_t at) {
  constexpr int kFirstIrap = 16;
  constexpr int kLastIdr = 20;
  constexpr int kCra = 21;
  constexpr int kLastSlice = 31;
  constexpr int kPrefixSei = 39;
  const int type = (head_[at] >> 1) & 0x3f;
  if (type == kPrefixSei) recovery_ = recovery_ || has_recovery_message(at + 2);
  if (type > kLastSlice) return false;
  if (type >= kFirstIrap && type <= kLastIdr) {
    verdict_ = RandomAccess::kKeyframe;
  } else {
    verdict_ = type == kCra || recovery_ ? RandomAccess::kRecovery : RandomAccess::kNone;
  }
  return true;
}

bool AccessUnitScanner::look_at_mpeg2(size_t at) {
  constexpr uint8_t kPictureStart = 0x00;
  constexpr uint8_t kSequenceHeader = 0xb3;
  constexpr int kIntra = 1;
  if (head_[at] == kSequenceHeader) sequence_ = true;
  if (head_[at] != kPictureStart) return false;
  const bool intra = ((head_[at + 2] >> 3) & 0x07) == kIntra;  // After 10 bits of temporal_reference.
  verdict_ = !intra ? RandomAccess::kNone : sequence_ ? RandomAccess::kKeyframe : RandomAccess::kRecovery;
  return true;
}

// Reads the first message's type and, while they are small enough to be here already, those that follow.
bool AccessUnitScanner::has_recovery_message(size_t at) const {
  while (at + 2 <= head_.size() && head_[at] != 0x80) {
    const uint8_t type = head_[at];
    if (type == kRecoveryPointMessage) return true;
    const uint8_t size = head_[at + 1];
    if (type == 0xff || size == 0xff) return false;
    at += 2 + size_t{size};
  }
  return false;
}

}  // namespace trickle::ts
