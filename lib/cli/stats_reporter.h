// The thread that writes --stats once a second and keeps the status line on a terminal up to date.
#pragma once

#include <memory>
#include <string>

#include "base/counters.h"
#include "trickle/result.h"

namespace trickle::cli {

struct StatsReporterOptions {
  std::string tool;
  std::string destination;   ///< A file name, "fd:N", or empty for none.
  bool status_line = false;  ///< Rewrite a line on stderr once a second.
};

class StatsReporter {
 public:
  /// Starts the thread if there is anything to report. `counters` must outlive the reporter.
  /// \return kUsage for a bad fd:N, kIo when the file can't be opened.
  static Result<std::unique_ptr<StatsReporter>> start(const StatsReporterOptions& options,
                                                      const Counters& counters);
  virtual ~StatsReporter() = default;

  /// Writes the last line and ends the thread. A destination that fails ends the reports, never the tool.
  virtual void finish() = 0;
};

}  // namespace trickle::cli
