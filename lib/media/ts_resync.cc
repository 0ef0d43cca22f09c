#include "media/ts_resync.h"

#include <algorithm>
#include <cstring>

namespace trickle::ts {
namespace {

constexpr size_t kConfirmations = 2;  // Sync bytes that must follow at packet distance.

enum class Fit { kNo, kYes, kUnknown };

Fit fits(Bytes bytes, size_t at, bool at_end) {
  for (size_t i = 0; i <= kConfirmations; ++i) {
    const size_t place = at + i * kPacketBytes;
    if (place >= bytes.size()) {
      // At the very end a packet that is there in full, or follows one, will do.
      if (at_end) return i >= 1 && place == bytes.size() ? Fit::kYes : i >= 2 ? Fit::kYes : Fit::kNo;
      return Fit::kUnknown;
    }
    if (bytes[place] != kSyncByte) return Fit::kNo;
  }
  return Fit::kYes;
}

}  // namespace

std::optional<size_t> find_sync(Bytes bytes, bool at_end, bool behind_packet) {
  if (behind_packet) {
    const Fit aligned = fits(bytes, kPacketBytes, at_end);
    if (aligned == Fit::kYes) return kPacketBytes;
    if (aligned == Fit::kUnknown)
      return std::nullopt;  // The answer must not depend on how much is here already.
  }
  for (size_t at = behind_packet ? 1 : 0; at < bytes.size(); ++at) {
    const void* found = std::memchr(bytes.data() + at, kSyncByte, bytes.size() - at);
    if (found == nullptr) break;
    at = static_cast<size_t>(static_cast<const uint8_t*>(found) - bytes.data());
    switch (fits(bytes, at, at_end)) {
      case Fit::kYes:
        return at;
      case Fit::kUnknown:
        return std::nullopt;
      case Fit::kNo:
        break;
    }
  }
  return bytes.size();
}

bool looks_like_ts(Bytes bytes) {
  const Bytes probe = bytes.first(std::min(bytes.size(), kProbeBytes));
  if (probe.empty()) return false;
  if (probe[0] == kSyncByte && fits(probe, 0, true) == Fit::kYes) return true;
  const auto at = find_sync(probe, true);
  return at && *at < probe.size();
}

}  // namespace trickle::ts
