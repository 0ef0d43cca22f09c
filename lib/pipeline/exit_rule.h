// What the end of one child means for the chain it belongs to.
#pragma once

#include "pipeline/child.h"

namespace trickle::pipeline {

/// Where a stage stands in the chain; its exit codes mean different things there.
enum class StageRole {
  kSource,  ///< trickle-sub: its clean end is the end of input.
  kFilter,  ///< trickle-decode, trickle-fx, trickle-encode.
  kSink,    ///< trickle-pub.
};

enum class ExitVerdict {
  kEnd,      ///< It came to its proper end.
  kRestart,  ///< It died or gave up: worth another try of the whole chain.
  kGiveUp,   ///< Another try would end the same way: refused, unusable input or options, channel gone.
};

/// Judges by the exit codes that every tool documents. `ran_before`: this is not the chain's first start, so
/// a channel that is missing now has ended since.
[[nodiscard]] inline ExitVerdict judge_exit(StageRole role, const ChildExit& exit, bool ran_before) {
  if (exit.signal != 0) return ExitVerdict::kRestart;
  switch (exit.code) {
    case 0:
      return ExitVerdict::kEnd;
    case 3:
      if (role == StageRole::kSource && ran_before) return ExitVerdict::kEnd;
      return role == StageRole::kFilter ? ExitVerdict::kRestart : ExitVerdict::kGiveUp;
    case 2:
    case 4:
    case 6:
      return ExitVerdict::kGiveUp;
    default:
      return ExitVerdict::kRestart;
  }
}

}  // namespace trickle::pipeline
