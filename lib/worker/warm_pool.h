// Programs of the chain that were started before any stream needs them: what is slow about them (loading
// libraries, or a model) is over when a stream takes them, and others are made ready in their place.
#pragma once

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/stage.h"

namespace trickle::worker {

/// Belongs to the thread that runs the io_context. Dying, it kills what has not been taken.
class WarmPool {
 public:
  WarmPool(boost::asio::io_context& io, std::filesystem::path program_directory,
           pipeline::ChildLimits limits);
  ~WarmPool();
  WarmPool(const WarmPool&) = delete;
  WarmPool& operator=(const WarmPool&) = delete;

  /// Keeps the filters of one chain ready from now on. `on_settled` is called once: when the first ones are
  /// ready, or have failed (a sentence); later ones are tried all the same. May be null.
  void keep(const std::vector<pipeline::StagePlan>& filters,
            std::function<void(std::optional<std::string>)> on_settled);

  /// For a chain of these stages, from source to sink: the filters that were started by exactly such plans,
  /// or by what their plans say will do, and then those have been sent their settings. The ones that fit best
  /// are taken, others in their place are made a little later.
  [[nodiscard]] pipeline::WarmChain take(const std::vector<pipeline::StagePlan>& stages);

  /// Chains of filters that are to be kept ready, and that are.
  struct Numbers {
    size_t kept = 0, ready = 0;
  };
  [[nodiscard]] Numbers numbers() const;

  void send_signal(int signal);

 private:
  struct Entry;
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace trickle::worker
