#include "cli/exit_code.h"

namespace trickle::cli {

ExitCode exit_code_for(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
      return kExitUsage;
    case ErrorKind::kNotFound:
      return kExitNotFound;
    case ErrorKind::kRefused:
      return kExitRefused;
    case ErrorKind::kNetwork:
      return kExitNetwork;
    case ErrorKind::kBadData:
      return kExitBadData;
    case ErrorKind::kClosed:
    case ErrorKind::kCancelled:
      return kExitDone;
    case ErrorKind::kIo:
    case ErrorKind::kInternal:
      break;
  }
  return kExitFailure;
}

const char* exit_code_help() {
  return "Exit codes:\n"
         "  0 done, 1 failure while running, 2 usage, 3 channel not found, 4 refused,\n"
         "  5 network gave up, 6 bad input data, 130 interrupted twice";
}

}  // namespace trickle::cli
