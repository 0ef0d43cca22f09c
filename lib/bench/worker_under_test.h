// A worker with the HTTP API of trickle-api(7): ours, or one in Python beside it. Private to lib/bench.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "bench/spawn.h"
#include "bench/tcp.h"
#include "io/stop.h"

namespace trickle::bench {

struct HttpAnswer {
  int status = 0;
  std::string body;
};

/// Sends a request on a connection of its own and waits for the whole answer. \return kNetwork.
Result<HttpAnswer> call(const ServerAddress& server, std::string_view method, std::string_view path,
                        const std::string& json_body = "");

/// How a worker is started; {port} in an argument stands for a free one.
struct WorkerKind {
  std::string label;
  std::vector<std::string> command;
};

/// trickle-serve with these options beside --listen and --log-level.
[[nodiscard]] WorkerKind own_worker(std::string label, std::vector<std::string> options);
/// pytrickle with a red tint on tensors, run by this interpreter. \return kUsage when it can't be imported.
Result<WorkerKind> peer_worker(const std::string& python);

/// A worker that runs, and is killed with this object.
class LiveWorker {
 public:
  /// \return kNetwork when /health does not say IDLE within a minute; kUsage.
  static Result<LiveWorker> start(const WorkerKind& kind, const StopToken& stop);

  [[nodiscard]] pid_t pid() const { return program_.pid(); }
  /// From its start until it could take a stream.
  [[nodiscard]] std::chrono::nanoseconds ready_after() const { return ready_after_; }

  /// \return kInternal with the answer when it is not 200.
  Result<void> start_stream(const nlohmann::json& request) const;
  Result<void> stop_stream(const std::string& id) const;
  /// A JSON document. \return kInternal, kNetwork.
  Result<nlohmann::json> get(const std::string& path) const;

 private:
  Program program_;
  ServerAddress address_;
  std::chrono::nanoseconds ready_after_{0};
};

}  // namespace trickle::bench
