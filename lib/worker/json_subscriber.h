// Reads JSON documents from a channel, one in each segment, through a trickle-sub of its own.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "worker/json_publisher.h"

namespace trickle::worker {

/// Belongs to the thread that runs the io_context.
class JsonSubscriber {
 public:
  /// `on_document` gets each document; `on_junk` a sentence about what was none. A channel that is not there
  /// is asked for for ever; one that ends is left alone.
  static std::unique_ptr<JsonSubscriber> start(boost::asio::io_context& io, SideChannelOptions options,
                                               std::function<void(const nlohmann::json&)> on_document,
                                               std::function<void(const std::string&)> on_junk);
  virtual ~JsonSubscriber() = default;
};

}  // namespace trickle::worker
