// trickle-bench fx: each colour effect on each pixel format, against a plain copy of the frame and against
// FFmpeg's own filters doing the same.
#pragma once

#include <string>

#include "io/stop.h"
#include "trickle/result.h"

namespace trickle::bench {

struct FxBenchOptions {
  int width = 1920;
  int height = 1080;
  std::string format;  ///< Only this one; empty: all.
  std::string effect;  ///< Only this one, or these, as on trickle-fx's command line; empty: all.
  size_t rounds = 21;  ///< Copy, effect and (five times) FFmpeg in turn.
  std::string json;
};

/// Measures, prints the table, writes the JSON. \return kUsage, kInternal, kIo, kCancelled.
Result<void> run_fx_bench(const FxBenchOptions& options, const StopToken& stop);

}  // namespace trickle::bench
