// What a graph of media filters looks like to those who may not see the library behind it (lib/codec).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "media/sound_block.h"
#include "trickle/frame.h"
#include "trickle/result.h"

namespace trickle {

/// A graph that takes one kind of item and gives any number of them for each. Belongs to one thread at a
/// time.
template <typename Item>
class MediaGraph {
 public:
  virtual ~MediaGraph() = default;

  /// Takes one item and appends what is ready to `out`, timestamps in the time base of what went in. The
  /// shape of items may change at any time: the graph then gives what it still holds and starts anew. \return
  /// what the graph says is wrong; the next item may be given all the same.
  virtual Result<void> push(Item item, std::vector<Item>& out) = 0;
  /// Appends what the graph still holds; it starts anew with the next item.
  virtual Result<void> finish(std::vector<Item>& out) = 0;

  /// Sends commands to the running filters, as "TARGET COMMAND ARGUMENT", separated by semicolons; targets
  /// are names of filters or of their instances, or all. They hold for as long as the graph does. \return
  /// kUsage when one is not understood; then none of them holds.
  virtual Result<void> command(const std::string& commands) = 0;
};

using VideoGraph = MediaGraph<VideoFrame>;
using SoundGraph = MediaGraph<SoundBlock>;

}  // namespace trickle
