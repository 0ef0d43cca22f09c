// Reads lines from a pipe as they come, without ever waiting: what children write to stderr and --stats.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "io/unique_fd.h"

namespace trickle::pipeline {

/// Belongs to the thread that runs the io_context. Ends by itself when the writers have closed.
class LineReader : public std::enable_shared_from_this<LineReader> {
 public:
  /// `on_line` gets each line without its newline. A line longer than `limit_bytes` is cut there, and the
  /// rest of it is skipped.
  static std::shared_ptr<LineReader> start(boost::asio::io_context& io, UniqueFd fd, size_t limit_bytes,
                                           std::function<void(std::string_view)> on_line);

  /// Handles what is in the pipe now; for the moment when the writer is known to have ended.
  void drain();
  /// Handles nothing more and closes the pipe.
  void close();

 private:
  LineReader(boost::asio::io_context& io, UniqueFd fd, size_t limit_bytes,
             std::function<void(std::string_view)> on_line);
  void wait();
  /// \return false at the end of the pipe.
  bool read_available();
  void take(std::string_view bytes);

  boost::asio::posix::stream_descriptor pipe_;
  size_t limit_bytes_;
  std::function<void(std::string_view)> on_line_;
  std::string line_;
  bool skipping_ = false;
};

}  // namespace trickle::pipeline
