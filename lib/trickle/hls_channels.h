// The playlists of those channels that somebody asked for as HLS. A segment is measured once, when it is
// listed first; channels that nobody asks for cost nothing.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "trickle/channel_store.h"
#include "trickle/hls_playlist.h"

namespace trickle {

/// May be called from any thread: with the view of that thread, where several share a store.
class HlsChannels {
 public:
  /// The playlist of the channel as it is now.
  [[nodiscard]] HlsPlaylist update(const ChannelHead& channel, const ChannelStore& store);
  /// The last one of a channel that has ended a short while ago.
  [[nodiscard]] std::optional<HlsPlaylist> ended(const std::string& channel, const ChannelStore& store) const;
  /// Forgets those of channels that ended a while ago. To be called now and then.
  void sweep(const ChannelStore& store, TimePoint now);

 private:
  struct Listed {
    uint64_t channel_id = 0;
    HlsPlaylist playlist{};
    TimePoint before_ended_at{};  ///< Of the newest segment that was looked at.
    std::optional<TimePoint> seen_ended_at{};
  };
  static bool has_ended(const std::string& name, const Listed& listed, const ChannelStore& store);

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Listed> listed_;
};

}  // namespace trickle
