// What a request's path asks the relay for. Private to lib/trickle.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "trickle/channel_store.h"

namespace trickle {

struct RelayTarget {
  enum class Kind {
    kUnknown,   ///< Not a path of ours.
    kBadName,   ///< No channel can have this name.
    kChannel,   ///< /{channel}
    kNext,      ///< /{channel}/next
    kLive,      ///< /{channel}/live
    kPlaylist,  ///< /{channel}/index.m3u8
    kSegment,   ///< /{channel}/{anything else}
    kChannels,  ///< /_channels
    kHealth,    ///< /_health
    kMetrics,   ///< /_metrics
  };
  Kind kind = Kind::kUnknown;
  std::string channel;
  std::string segment;  ///< As written.
};

/// \param raw_path   not percent-decoded, so that an escaped "/" can't pass for a separator.
/// \param base_path  begins and ends with "/".
[[nodiscard]] RelayTarget parse_relay_target(std::string_view raw_path, std::string_view base_path);

[[nodiscard]] bool is_channel_name(std::string_view text);
/// `_changes` and the names of the pages: clients can neither write nor delete them.
[[nodiscard]] bool is_reserved_name(std::string_view name);

/// An optional "-" and digits, with an absolute value below 2^63-1; nothing otherwise.
[[nodiscard]] std::optional<SegmentNumber> parse_segment_number(std::string_view text);
/// What may stand behind GET /{channel}/: a number from 0, -N, or "oldest".
[[nodiscard]] std::optional<ReadSelector> parse_read_selector(std::string_view text);

inline constexpr std::string_view kChangeFeed = "_changes";

}  // namespace trickle
