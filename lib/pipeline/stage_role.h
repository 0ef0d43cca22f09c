// Where a stage stands in a chain, and what its failure means for the chain. A process tells by its exit
// (exit_rule.h), a thread by its error.
#pragma once

#include "trickle/result.h"

namespace trickle::pipeline {

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

/// `ran_before`: this is not the chain's first start, so a channel that is missing now has ended since.
[[nodiscard]] inline ExitVerdict judge_failure(StageRole role, ErrorKind kind, bool ran_before) {
  switch (kind) {
    case ErrorKind::kNotFound:
      if (role == StageRole::kSource && ran_before) return ExitVerdict::kEnd;
      return role == StageRole::kFilter ? ExitVerdict::kRestart : ExitVerdict::kGiveUp;
    case ErrorKind::kUsage:
    case ErrorKind::kRefused:
    case ErrorKind::kBadData:
      return ExitVerdict::kGiveUp;
    default:
      return ExitVerdict::kRestart;
  }
}

}  // namespace trickle::pipeline
