// The exit codes of all tools, as every man page lists them.
#pragma once

#include "trickle/result.h"

namespace trickle::cli {

enum ExitCode : int {
  kExitDone = 0,          ///< End of stream; also a closed output, and a first SIGINT or SIGTERM.
  kExitFailure = 1,       ///< Failed while running.
  kExitUsage = 2,         ///< Bad command line or configuration.
  kExitNotFound = 3,      ///< The channel was not found.
  kExitRefused = 4,       ///< The server refused us (authentication).
  kExitNetwork = 5,       ///< The network gave up.
  kExitBadData = 6,       ///< Bad input data.
  kExitInterrupted = 130  ///< Interrupted twice.
};

[[nodiscard]] ExitCode exit_code_for(ErrorKind kind);

/// The section "Exit codes" of `--help`.
[[nodiscard]] const char* exit_code_help();

}  // namespace trickle::cli
