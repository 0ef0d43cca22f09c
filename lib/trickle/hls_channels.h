// The playlists of those channels that somebody asked for as HLS. A segment is measured once, when it is
// listed first; channels that nobody asks for cost nothing.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "trickle/channel_store.h"
#include "trickle/hls_playlist.h"

namespace trickle {

/// Belongs to the thread of the store.
class HlsChannels {
 public:
  /// The playlist of the channel as it is now. Valid until the next call.
  const HlsPlaylist& update(const std::shared_ptr<const ChannelHead>& channel, const ChannelStore& store);
  /// The last one of a channel that has ended a short while ago; null when there is none.
  [[nodiscard]] const HlsPlaylist* ended(const std::string& channel) const;
  /// Forgets those of channels that ended a while ago. To be called now and then.
  void sweep(TimePoint now);

 private:
  struct Listed {
    std::shared_ptr<const ChannelHead> channel;
    HlsPlaylist playlist;
    TimePoint before_ended_at{};  ///< Of the newest segment that was looked at.
    std::optional<TimePoint> seen_ended_at{};
  };
  std::unordered_map<std::string, Listed> listed_;
};

}  // namespace trickle
