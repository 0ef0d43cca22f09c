// libavfilter's graphs for pictures and for sound, behind the interface that effects see.
#pragma once

#include <memory>
#include <string>

#include "media/media_graph.h"

namespace trickle {

/// \return kUsage with what libavfilter says where `text` is no graph with one input and one output. Pictures
/// come out in the format that went in, unless the graph's last filter is `format`.
Result<std::unique_ptr<VideoGraph>> make_video_graph(const std::string& text);
/// The same for sound, which keeps its rate and channels.
Result<std::unique_ptr<SoundGraph>> make_sound_graph(const std::string& text);

}  // namespace trickle
