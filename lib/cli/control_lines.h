// Lines that steer a running tool: --control fd:N.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "trickle/result.h"

namespace trickle::cli {

/// Reads lines on a thread of its own until the other side closes or the object dies.
class ControlLines {
 public:
  /// \param source "fd:N", a descriptor that this takes over.
  /// \param on_line called on the reader's thread with each line, without its newline. What it fails with is
  /// logged; the next line is read all the same.
  /// \return kUsage for anything but an open descriptor.
  static Result<std::unique_ptr<ControlLines>> start(const std::string& source,
                                                     std::function<Result<void>(std::string_view)> on_line);
  virtual ~ControlLines() = default;
};

}  // namespace trickle::cli
