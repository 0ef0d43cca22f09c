// trickle-bench cutter: how fast trickle-pub's splitter cuts a transport stream, and that nothing changes.
#pragma once

#include <string>

#include "io/stop.h"
#include "trickle/result.h"

namespace trickle::bench {

struct CutterBenchOptions {
  std::string clip;                   ///< A transport stream; empty: one is made.
  size_t rounds = 5;                  ///< Each passes the clip again and again, with a plain copy in turn.
  size_t bytes_per_round = 1u << 30;  ///< At least.
  size_t piece_bytes = 64 * 1024;     ///< As a read from a pipe would give.
  std::string json;
};

/// Measures, prints the table, writes the JSON.
/// \return kBadData when what comes out is not what went in, but for the tables that were inserted.
Result<void> run_cutter_bench(const CutterBenchOptions& options, const StopToken& stop);

}  // namespace trickle::bench
