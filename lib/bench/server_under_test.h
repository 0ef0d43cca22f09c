// A server under test: one that runs, or one that is started for each round. Private to lib/bench.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "bench/process.h"
#include "bench/spawn.h"
#include "bench/tcp.h"

namespace trickle::bench {

/// A server that is up.
struct LiveServer {
  ServerAddress address;
  pid_t pid = -1;
  ServerProgram started;  ///< Empty for one that ran already.
};

struct ServerUnderTest {
  std::string label;
  std::string server;                  ///< PID or URL; empty: `command` is started.
  std::vector<std::string> command{};  ///< Takes --port-file.

  /// \return kUsage, kNotFound, kNetwork.
  [[nodiscard]] Result<LiveServer> bring_up(const std::vector<int>& cores) const;
};

/// Waits until the process uses no CPU time any more (10 s at most): it has dealt with all that it was sent.
void await_idle(pid_t pid);

}  // namespace trickle::bench
