#include "bench/chain_run.h"

#include <fmt/format.h>

#include "base/try.h"
#include "io/fd_io.h"

namespace trickle::bench {

Stage tool_stage(const char* name, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(),
                   {program_beside(std::string("trickle-") + name), "--log-level", "warning"});
  return {name, std::move(arguments)};
}

std::vector<Stage> chain_stages(std::vector<std::string> sub_arguments, const std::string& effect,
                                std::vector<std::string> pub_arguments) {
  return {tool_stage("sub", std::move(sub_arguments)), tool_stage("decode", {}), tool_stage("fx", {effect}),
          tool_stage("encode", {}), tool_stage("pub", std::move(pub_arguments))};
}

Result<RunningChain> RunningChain::start(const std::vector<Stage>& stages, bool shm) {
  RunningChain chain;
  UniqueFd input;
  const std::vector<std::string> settings =
      shm ? std::vector<std::string>{"TRICKLE_TRANSPORT=shm"} : std::vector<std::string>{};
  for (size_t i = 0; i < stages.size(); ++i) {
    Pipe pipe;
    if (i + 1 < stages.size()) {
      TRICKLE_TRY_ASSIGN(pipe, make_pipe());
    }
    TRICKLE_TRY_ASSIGN(Program program,
                       Program::start(stages[i].command, {input.get(), pipe.write_end.get(), -1}, settings));
    chain.programs_.emplace_back(stages[i].name, std::move(program));
    input = std::move(pipe.read_end);
  }
  return chain;
}

Result<std::vector<std::pair<std::string, Ended>>> RunningChain::wait() {
  std::vector<std::pair<std::string, Ended>> ended;
  for (auto& [name, program] : programs_) ended.emplace_back(name, program.wait());
  for (const auto& [name, end] : ended) {
    if (!end.well) {
      return unexpected(ErrorKind::kInternal,
                        fmt::format("trickle-{} failed (wait status {:#x})", name, end.status));
    }
  }
  return ended;
}

}  // namespace trickle::bench
