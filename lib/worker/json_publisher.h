// Publishes JSON documents to a channel, one in each segment, through a trickle-pub of its own: a server that
// is slow, gone or hostile costs the video nothing.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "pipeline/chain.h"
#include "pipeline/message_channel.h"
#include "worker/stream_plan.h"

namespace trickle::worker {

struct SideChannelOptions {
  std::string url;
  log::StreamLog log;
  pipeline::ChildLimits limits;
  std::filesystem::path program_directory;
  PlanOptions plan;
  pipeline::MessageKind kind = pipeline::MessageKind::kJson;
};

/// Belongs to the thread that runs the io_context.
class JsonPublisher {
 public:
  static std::unique_ptr<JsonPublisher> start(boost::asio::io_context& io, SideChannelOptions options);
  /// Kills what has not been finished.
  virtual ~JsonPublisher() = default;

  /// Queues a document (one line). Order is kept. Of more than 256 that wait, the oldest are dropped, with a
  /// warning; a publisher that died is started again after a while.
  virtual void publish(std::string line) = 0;
  /// Publishes what is queued, ends the channel, and calls `done`, `within` that time in any case.
  virtual void finish(std::chrono::milliseconds within, std::function<void()> done) = 0;
};

}  // namespace trickle::worker
