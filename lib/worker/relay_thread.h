// A relay inside another program, on a thread of its own so that neither delays the other.
#pragma once

#include <memory>

#include "base/counters.h"
#include "io/endpoint.h"
#include "trickle/relay.h"
#include "trickle/result.h"

namespace trickle::worker {

class RelayThread {
 public:
  /// Listens and starts the thread. `counters` must outlive it. \return kIo when the address can't be bound.
  static Result<std::unique_ptr<RelayThread>> start(const Endpoint& listen, RelayOptions options,
                                                    Counters& counters);
  /// Ends every channel and the thread.
  virtual ~RelayThread() = default;
  [[nodiscard]] virtual const Endpoint& endpoint() const = 0;
};

}  // namespace trickle::worker
