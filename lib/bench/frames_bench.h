// trickle-bench frames: frames from one process to another, through pipes and through shared memory.
#pragma once

#include <string>

#include "io/stop.h"
#include "trickle/result.h"

namespace trickle::bench {

struct FramesBenchOptions {
  int width = 1920;
  int height = 1080;
  std::string format = "rgb24";
  size_t frames = 300;  ///< In each round, of each transport.
  size_t rounds = 5;
  std::string json;
};

/// Measures, prints the table, writes the JSON.
/// \return kBadData when a frame was lost or not what was sent; kUsage, kIo, kCancelled.
Result<void> run_frames_bench(const FramesBenchOptions& options, const StopToken& stop);

}  // namespace trickle::bench
