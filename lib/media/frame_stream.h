// How frames flow between stages: a source is asked for one item at a time, a sink is given one at a time.
//
// One item is between two stages at any moment; nothing is buffered behind this interface beyond what a codec
// or a container needs, so a slow sink slows its source down. The end of the stream travels in band: read()
// gives nullopt once and the driver then calls finish(). A source and a sink belong to one thread.
//
//   while (true) {
//     auto item = source.read();
//     if (!item || !*item) break;          // failed, or the end
//     sink.write(transform(std::move(**item)));
//   }
//   sink.finish();
#pragma once

#include <chrono>
#include <optional>
#include <variant>

#include "trickle/frame.h"
#include "trickle/result.h"
#include "trickle/stream_info.h"

namespace trickle {

/// When the last byte of what an item was made of came in: the start of its latency. For filters of one
/// process.
using ArrivalTime = std::chrono::steady_clock::time_point;

struct VideoItem {
  VideoFrame frame;
  ArrivalTime arrived{};
};
struct AudioItem {
  AudioPacket packet;
  ArrivalTime arrived{};
};
using FrameItem = std::variant<VideoItem, AudioItem>;

class FrameSource {
 public:
  virtual ~FrameSource() = default;
  /// The tracks; valid once the source is open, and constant.
  [[nodiscard]] virtual const StreamInfo& info() const = 0;
  /// Waits for the next item. \return nullopt at the end of the stream (also after a requested stop), or the
  /// error that ended it; damage that can be survived is counted and logged, not returned.
  virtual Result<std::optional<FrameItem>> read() = 0;
};

class FrameSink {
 public:
  virtual ~FrameSink() = default;
  /// Passes one item on before it returns: nothing is held back for later items beyond what the codec needs.
  /// \return kClosed when the reader of the output is gone.
  virtual Result<void> write(FrameItem item) = 0;
  /// Writes what the codec and container still hold. Call once, after the last write.
  virtual Result<void> finish() = 0;
};

}  // namespace trickle
