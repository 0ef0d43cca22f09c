// Tells a Livepeer orchestrator that this worker is here, and at the end that it is gone.
//
// POST {ORCH_URL}/capability/register with `Authorization: ORCH_SECRET`, as the Python peer does: 200 is
// done, 400 means a wrong secret and ends the attempts, anything else is tried again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "io/endpoint.h"
#include "trickle/result.h"

namespace trickle::worker {

struct Capability {
  std::string orch_url, orch_secret;
  std::string name = "trickle-worker";
  std::string description = "Live video effects by trickle-serve";
  std::string url;  ///< Where this worker can be reached.
  int64_t capacity = 1, price_per_unit = 0, price_scaling = 1;
};

/// What the environment asks for: ORCH_URL, ORCH_SECRET, CAPABILITY_NAME, CAPABILITY_DESCRIPTION,
/// CAPABILITY_URL (else the address it listens on), CAPABILITY_CAPACITY (else `capacity`),
/// CAPABILITY_PRICE_PER_UNIT, CAPABILITY_PRICE_SCALING. \return nothing without an ORCH_URL and ORCH_SECRET;
/// kUsage for a number that is none.
Result<std::optional<Capability>> capability_from_environment(const Endpoint& listening, size_t capacity);

/// The body of the request.
[[nodiscard]] std::string registration_body(const Capability& capability);

class Registration {
 public:
  /// Registers on a thread of its own, and tries again until it works or is refused.
  static std::unique_ptr<Registration> start(Capability capability);
  /// Waits for what stop() began.
  virtual ~Registration() = default;
  /// Ends the attempts; if the orchestrator knows this worker, tells it that it is gone (2 s at most). Does
  /// not wait; calling it again changes nothing.
  virtual void stop() = 0;
};

}  // namespace trickle::worker
