// What is in a channel right now: its newest number, the sizes of its segments, and what they carry.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "media/ts_probe.h"
#include "trickle/subscriber.h"

namespace trickle {

struct ChannelInfo {
  std::string url;   ///< Without its secrets.
  int64_t next = 0;  ///< The number that will be written next.
  std::string content_type{};
  struct Segment {
    int64_t number;
    uint64_t size_bytes;
    bool complete;  ///< False for one that was still being written.
  };
  std::vector<Segment> segments{};          ///< Those that the server keeps.
  std::vector<ts::ProbedStream> streams{};  ///< Of MPEG-TS; empty for anything else.
};

/// Asks for the channel's next number and reads what the server keeps of it, five seconds at most. Of
/// `options` the URL, the connection and stop_fd count. \return as Subscriber::read().
Result<ChannelInfo> inspect_channel(const SubscriberOptions& options);

/// One line for each thing, for people; ends with a newline.
[[nodiscard]] std::string to_text(const ChannelInfo& info);
/// One object: url, next, content_type, segments [{number, bytes, complete}], streams [{pid, codec, width,
/// height, fps, gop_s}], where what is not known is missing. Ends with a newline.
[[nodiscard]] std::string to_json(const ChannelInfo& info);

}  // namespace trickle
