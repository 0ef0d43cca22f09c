// The least that could serve trickle: an epoll loop that sends what it receives, once to each reader. It
// stands for the limit of what a server can do with one send for each reader and chunk; it keeps none of the
// rules.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "io/endpoint.h"
#include "io/stop.h"
#include "trickle/result.h"

namespace trickle::bench {

class BareServer {
 public:
  /// \param flip_every  Spoils one byte of each so-many-th send, to see that a checker notices; 0: none.
  explicit BareServer(uint64_t flip_every = 0);
  ~BareServer();
  BareServer(const BareServer&) = delete;
  BareServer& operator=(const BareServer&) = delete;

  /// \return the port; kIo when it can't be bound.
  Result<uint16_t> listen(const Endpoint& endpoint);
  /// Serves until a stop is requested.
  Result<void> run(const StopToken& stop);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trickle::bench
