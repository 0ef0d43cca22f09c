// Sends whole settings to a child's --control descriptor: the newest wins, nothing queues up.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <memory>
#include <optional>
#include <string>

#include "io/unique_fd.h"

namespace trickle::pipeline {

/// Belongs to the thread that runs the io_context.
class ControlWriter : public std::enable_shared_from_this<ControlWriter> {
 public:
  static std::shared_ptr<ControlWriter> make(boost::asio::io_context& io, UniqueFd fd);

  /// Writes `line` and a newline. While an earlier line is still being taken by the reader, only the newest
  /// of those that follow is kept: each is the whole of the settings, so nothing is lost. A reader that has
  /// gone is no error: its chain is about to be restarted with the newest settings.
  void send(std::string line);
  void close();

 private:
  ControlWriter(boost::asio::io_context& io, UniqueFd fd);
  void write(std::string line);

  boost::asio::posix::stream_descriptor pipe_;
  std::string in_flight_;
  std::optional<std::string> newest_;
};

}  // namespace trickle::pipeline
