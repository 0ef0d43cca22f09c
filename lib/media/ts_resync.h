// Finds packet boundaries again in damaged or misaligned transport streams. Pure; any thread.
#pragma once

#include <cstddef>
#include <optional>

#include "media/ts_packet.h"

namespace trickle::ts {

/// Where the next packet begins in `bytes`: a place whose following packets begin right, too.
/// \param at_end nothing follows `bytes`.
/// \param behind_packet `bytes` follow a packet, but don't begin with one; then a damaged sync byte with the
/// packets behind it in place is passed over whole. False: they follow other damage.
/// \return bytes.size() when there is no packet in them and none can begin in them; nothing when more bytes
/// are needed to tell.
[[nodiscard]] std::optional<size_t> find_sync(Bytes bytes, bool at_end, bool behind_packet = true);

/// True when `bytes`, the first of a stream, look like transport stream packets, aligned or not: three sync
/// bytes at the right distance (fewer where there are fewer bytes) within the first kProbeBytes.
[[nodiscard]] bool looks_like_ts(Bytes bytes);
inline constexpr size_t kProbeBytes = 5 * kPacketBytes;

}  // namespace trickle::ts
