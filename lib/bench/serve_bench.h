// trickle-bench serve: streams through trickle-serve, as its clients and viewers see them: how soon the first
// byte comes, what a stream costs and delays beside the worker in Python, how many fit on this machine beside
// one ffmpeg process each.
#pragma once

#include <string>

#include "bench/clip.h"
#include "io/stop.h"
#include "trickle/result.h"

namespace trickle::bench {

struct ServeBenchOptions {
  enum class What { kStart, kLoad, kCapacity } what = What::kStart;
  ClipShape shape{.width = 704, .height = 384, .fps = 30, .seconds = 10};
  std::string effect = "red_tint";
  std::string peer;           ///< A Python that can import pytrickle; empty: no comparison.
  double max_delay_ms = 500;  ///< Of a frame that counts as in time.
  size_t max_streams = 64;    ///< Where the search for the most streams ends.
  size_t rounds = 5;
  std::string json;
};

/// Measures, prints the table, writes the JSON.
/// \return kBadData when a frame is missing in what came out; kUsage, kNetwork, kInternal, kIo, kCancelled.
Result<void> run_serve_bench(const ServeBenchOptions& options, const StopToken& stop);

}  // namespace trickle::bench
