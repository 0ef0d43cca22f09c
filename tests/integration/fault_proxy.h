// A TCP proxy that does to connections what networks do: kills them at random, delays what they carry, lets
// it through a few bytes at a time. All of it follows from a seed, as far as the programs' own timing allows.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "io/unique_fd.h"

namespace trickle::testing {

class FaultProxy {
 public:
  FaultProxy(uint16_t upstream_port, uint64_t seed);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] int connections() const { return connections_; }
  [[nodiscard]] int killed() const { return killed_; }

 private:
  /// What befalls one connection.
  struct Fate {
    int64_t bytes_to_live;  ///< In both directions together.
    bool reset;             ///< Killed by RST, else by FIN.
    int delay_ms;           ///< Before each piece.
    size_t largest_piece;
  };
  struct Link;
  Fate draw();
  void accept_all();
  void serve(UniqueFd client);
  void pump(Link& link, int from, int to);

  const uint16_t upstream_port_;
  std::mt19937_64 random_;  ///< Of the accepting thread.
  UniqueFd listener_;
  uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0};
  std::atomic<int> killed_{0};
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace trickle::testing
