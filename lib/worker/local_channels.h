// The channels beside the video of a stream that runs in this process, each on a thread of its own.
#pragma once

#include <memory>
#include <string>

#include "pipeline/message_channel.h"
#include "trickle/connection_options.h"
#include "worker/json_publisher.h"
#include "worker/json_subscriber.h"

namespace trickle::worker {

/// Both are used, and call back, on the thread of `io`.
[[nodiscard]] std::unique_ptr<JsonPublisher> make_local_publisher(boost::asio::io_context& io,
                                                                  const std::string& url,
                                                                  const ConnectionOptions& connection,
                                                                  pipeline::MessageKind kind);
/// `on_junk` gets a sentence for each segment that is no JSON.
[[nodiscard]] std::unique_ptr<JsonSubscriber> make_local_subscriber(
    boost::asio::io_context& io, const std::string& url, const ConnectionOptions& connection,
    std::function<void(const nlohmann::json&)> on_document, std::function<void(const std::string&)> on_junk);

}  // namespace trickle::worker
