// Size and frame rate of a decoder that runs, changed from another thread.
#pragma once

#include <mutex>
#include <optional>
#include <utility>

#include "trickle/codec_options.h"

namespace trickle {

/// Thread-safe. What is set takes effect at the next frame.
class ShapeControl {
 public:
  struct Change {
    std::optional<PictureSize> size;
    std::optional<double> max_fps;
  };

  void set(const Change& change) {
    const std::lock_guard lock(mutex_);
    if (change.size) pending_.size = change.size;
    if (change.max_fps) pending_.max_fps = change.max_fps;
  }

  /// What was set since the last call.
  [[nodiscard]] Change take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(pending_, {});
  }

 private:
  std::mutex mutex_;
  Change pending_;
};

}  // namespace trickle
