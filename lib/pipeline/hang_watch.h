// Tells when a stage of a chain no longer works although its process lives. Pure: the caller looks, this
// judges.
//
// Three signs count: the process is stopped (SIGSTOP); its once-a-second report has stopped coming; or bytes
// wait in its pipe and it has not moved one for as long. A chain without input shows none of them. Stages
// wait for each other, so of several that are stuck the last one is the cause; a sink that is stuck waits for
// its server, which is no fault of the chain.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "io/clock.h"

namespace trickle::pipeline {

/// What one look at a stage shows.
struct StageSigns {
  bool running = true;
  bool stopped = false;  ///< By a signal, and not continued.
  bool is_sink = false;
  uint64_t reports = 0;   ///< Lines of statistics so far.
  uint64_t progress = 0;  ///< Any number that changes with each frame or byte it handles; 0 before the first.
  bool has_unread = false;  ///< Bytes wait in the pipe before it.
};

struct HangLimits {
  Duration stopped = std::chrono::milliseconds(300);
  Duration idle = std::chrono::seconds(5);      ///< Without a report, or without progress while input waits.
  Duration loading = std::chrono::seconds(60);  ///< The same before its first report or progress.
};

struct Hang {
  size_t stage;
  std::string what;  ///< "was stopped", "has not reported for 5 s", …
};

/// Not thread-safe.
class HangWatch {
 public:
  explicit HangWatch(HangLimits limits) : limits_(limits) {}

  /// The stages have just been started.
  void restart() { stages_.clear(); }
  /// Judges a look at all stages, in the order of the pipe. Looks are to come several times a second; after a
  /// longer pause (we did not run ourselves) everything is taken for new.
  [[nodiscard]] std::optional<Hang> look(TimePoint now, const std::vector<StageSigns>& signs);

 private:
  struct Memory {
    StageSigns last;
    TimePoint running_since, reported_at, unstuck_at;
  };
  void remember(TimePoint now, const std::vector<StageSigns>& signs);
  [[nodiscard]] std::optional<std::string> judge(TimePoint now, const Memory& memory) const;
  [[nodiscard]] bool is_stuck(TimePoint now, const Memory& memory) const;

  HangLimits limits_;
  std::vector<Memory> stages_;
  TimePoint last_look_;
};

}  // namespace trickle::pipeline
