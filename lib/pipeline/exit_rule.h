// What the end of one child means for the chain it belongs to.
#pragma once

#include "pipeline/child.h"
#include "pipeline/stage_role.h"

namespace trickle::pipeline {

/// Judges by the exit codes that every tool documents; they mean different things in different places. See
/// judge_failure().
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
