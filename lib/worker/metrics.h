// What GET /metrics tells Prometheus.
#pragma once

#include <string>

#include "worker/worker.h"

namespace trickle::worker {

/// The text exposition format, version 0.0.4, of this moment.
[[nodiscard]] std::string metrics_text(const Worker& worker);

}  // namespace trickle::worker
