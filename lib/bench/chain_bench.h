// trickle-bench chain: the tools as separate processes over a relay, against one ffmpeg process that does the
// same; and how long a frame takes through them.
#pragma once

#include <string>

#include "bench/clip.h"
#include "io/stop.h"
#include "trickle/result.h"

namespace trickle::bench {

struct ChainBenchOptions {
  std::string clip;  ///< MPEG-TS with H.264; empty: one is made of `shape`.
  ClipShape shape;
  std::string effect = "red_tint";
  std::string graph;  ///< What ffmpeg does in its place; empty: known for red_tint and none.
  bool shm = true;    ///< Frames between the tools through shared memory; else through pipes.
  size_t rounds = 5;
  bool latency = false;  ///< Measure the delay at the clip's own pace instead.
  std::string json;
};

/// Measures, prints the table, writes the JSON.
/// \return kBadData when a frame is missing in what came out; kUsage, kNetwork, kInternal, kIo, kCancelled.
Result<void> run_chain_bench(const ChainBenchOptions& options, const StopToken& stop);

}  // namespace trickle::bench
