// trickle-bench relay: any trickle server, measured from outside, several of them in turn.
#pragma once

#include <string>
#include <vector>

#include "bench/load.h"
#include "io/stop.h"
#include "trickle/result.h"

namespace trickle::bench {

struct RelayBenchOptions {
  /// PID or URL of running servers on this machine, or "own": a trickle-relay started anew for each round.
  /// None is the same as that.
  std::vector<std::string> servers;
  std::vector<std::string> relay_arguments;  ///< For the relay of our own.
  bool bare = false;                         ///< The bare loop too.
  LoadOptions load;
  double stalled_percent = 0;  ///< Above 0: rounds without and with such readers in turn.
  size_t rounds = 1;
  bool capacity = false;  ///< Search for the most subscribers instead.
  double max_delay_ms = 50;
  size_t max_subscribers = 9000;  ///< Of the search.
  std::vector<int> server_cores;
  std::vector<int> generator_cores;
  std::string json;
};

/// Measures, prints the table, writes the JSON.
/// \return kBadData when a byte was not the one published; kUsage, kNetwork, kIo, kCancelled.
Result<void> run_relay_bench(const RelayBenchOptions& options, const StopToken& stop);

}  // namespace trickle::bench
