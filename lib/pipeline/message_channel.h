// Publishes JSON documents to a channel, one in each segment, on a thread of its own: a server that is slow
// or gone costs the video nothing.
#pragma once

#include <memory>
#include <string>

#include "trickle/connection_options.h"

namespace trickle::pipeline {

/// What a document is followed by, and what the channel is said to hold.
enum class MessageKind {
  kJson,       ///< Nothing; application/json.
  kJsonLines,  ///< A newline; application/jsonl.
};

struct MessageChannelOptions {
  std::string url;
  std::string log_prefix;  ///< E.g. "events: ".
  ConnectionOptions connection;
  MessageKind kind = MessageKind::kJson;
};

/// Any thread may call publish().
class MessageChannel {
 public:
  static std::unique_ptr<MessageChannel> start(MessageChannelOptions options);
  /// Without finish(): what waits is let go and the channel left as it is.
  virtual ~MessageChannel() = default;

  /// Queues a document. Order is kept. Of more than 256 that wait, the oldest are dropped, with a warning;
  /// after a failure the connection is tried again.
  virtual void publish(std::string document) = 0;
  /// Publishes what is queued, as far as the server takes it, and ends the channel.
  virtual void finish() = 0;
  /// Lets a finish() that runs, or the next one, end at once: what the server has not taken is lost.
  virtual void give_up() = 0;
};

}  // namespace trickle::pipeline
