// The worker as a running service: server, API and streams on one thread, until a stop is asked for.
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "io/endpoint.h"
#include "io/stop.h"
#include "worker/api.h"
#include "worker/worker.h"

namespace trickle::worker {

struct ServeOptions {
  Endpoint listen{"127.0.0.1", 8080};
  WorkerOptions worker;
  ApiOptions api;
  /// Done on a thread of its own before the first stream may start; health says LOADING meanwhile. May be
  /// null.
  std::function<void()> load{};
  std::vector<fx::ChainSpec> preload;  ///< Effects of which a process is kept ready.
  size_t warm = 0;  ///< Chains whose filters are kept ready, for any effect that loads nothing.
  std::filesystem::path state_dir;  ///< Where published channels are remembered; empty: nowhere.
};

/// Serves until `stop`, then ends every stream properly, and returns. Call it on a thread that lives as long
/// as the process, the main one: the children are tied to it (pipeline/child.h). `on_listening` is told the
/// bound address before the first request is taken; what it returns, if it is an error, ends the service.
/// Registers with an orchestrator where the environment names one (registration.h), and tells systemd how it
/// is doing. \return kNotFound when a program of the chain is missing, kIo when the address can't be bound,
/// kUsage for a state directory that is in use or a bad environment.
Result<void> serve(ServeOptions options, const StopToken& stop,
                   const std::function<Result<void>(const Endpoint&)>& on_listening);

}  // namespace trickle::worker
