// Programs of the chain that were started before any stream needs them: what is slow about them (loading a
// model, LibTorch itself) is over when a stream takes one, and another one is made ready in its place.
#pragma once

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

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

  /// Keeps one process of this plan ready from now on. `on_settled` is called once: when the first one is
  /// ready (nothing), or has failed (a sentence); later ones are tried all the same.
  void keep(const pipeline::StagePlan& plan, std::function<void(std::optional<std::string>)> on_settled);

  /// A process that was started by exactly this plan, if there is one. Its next one is made a little later.
  [[nodiscard]] std::optional<pipeline::WarmStage> take(const pipeline::StagePlan& plan);

  /// Processes that wait to be taken, their work of loading done.
  [[nodiscard]] size_t ready() const;
  /// All that are kept, ready or not.
  [[nodiscard]] size_t size() const;

 private:
  struct Entry;
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace trickle::worker
