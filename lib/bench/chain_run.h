// The chain of tools as processes, for the measurements of chain_bench. Private to lib/bench.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bench/process.h"
#include "bench/spawn.h"
#include "io/unique_fd.h"

namespace trickle::bench {

struct Stage {
  std::string name;
  std::vector<std::string> command;
};

/// A tool with its options, quiet but for warnings.
Stage tool_stage(const char* name, std::vector<std::string> arguments);
/// sub, decode, fx, encode and pub; the arguments of the first and the last name the channels.
std::vector<Stage> chain_stages(std::vector<std::string> sub_arguments, const std::string& effect,
                                std::vector<std::string> pub_arguments);

/// Processes joined by pipes.
class RunningChain {
 public:
  static Result<RunningChain> start(const std::vector<Stage>& stages, bool shm);
  /// Waits for all. \return what each cost; kInternal with the name of one that failed.
  Result<std::vector<std::pair<std::string, Ended>>> wait();

 private:
  std::vector<std::pair<std::string, Program>> programs_;
};

}  // namespace trickle::bench
