// trickle-bench startup: from the start of each program to the moment in which it is of use.
#pragma once

#include <string>

#include "io/stop.h"
#include "trickle/result.h"

namespace trickle::bench {

struct StartupBenchOptions {
  size_t rounds = 20;
  std::string json;
};

/// Measures, prints the table, writes the JSON. \return kUsage, kNetwork, kIo, kCancelled.
Result<void> run_startup_bench(const StartupBenchOptions& options, const StopToken& stop);

}  // namespace trickle::bench
