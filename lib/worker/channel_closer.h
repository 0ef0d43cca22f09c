// Closes channels with DELETE without keeping the worker's thread waiting.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <functional>
#include <string>

#include "worker/stream_plan.h"

namespace trickle::worker {

/// Belongs to the thread of the io_context; dying, it waits for what is on its way.
class ChannelClosers {
 public:
  ChannelClosers(boost::asio::io_context& io, const PlanOptions& options);
  ~ChannelClosers();
  ChannelClosers(const ChannelClosers&) = delete;
  ChannelClosers& operator=(const ChannelClosers&) = delete;

  /// Sends DELETE to the channel and calls `done` on the io_context's thread when it was answered, could not
  /// be sent, or was not answered `within` that time. What goes wrong is logged: nothing else can be done
  /// about it then.
  void close(const std::string& url, std::chrono::milliseconds within, std::function<void()> done);

 private:
  boost::asio::io_context& io_;
  PlanOptions options_;
  boost::asio::thread_pool threads_{8};
};

}  // namespace trickle::worker
