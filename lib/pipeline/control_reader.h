// Reads the documents of a control channel on a thread of its own, for as long as it lives.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "trickle/connection_options.h"

namespace trickle::pipeline {

struct ControlReaderOptions {
  std::string url;
  std::string log_prefix;
  ConnectionOptions connection;
};

class ControlReader {
 public:
  /// `on_document` gets each segment's text, on the reader's thread. A channel that is not there yet is
  /// waited for; one that ends is left alone.
  static std::unique_ptr<ControlReader> start(ControlReaderOptions options,
                                              std::function<void(const std::string&)> on_document);
  virtual ~ControlReader() = default;  ///< Stops; no call of on_document follows.
};

}  // namespace trickle::pipeline
