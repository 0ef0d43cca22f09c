#include "pipeline/control_writer.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace trickle::pipeline {

std::shared_ptr<ControlWriter> ControlWriter::make(boost::asio::io_context& io, UniqueFd fd) {
  return std::shared_ptr<ControlWriter>(new ControlWriter(io, std::move(fd)));
}

ControlWriter::ControlWriter(boost::asio::io_context& io, UniqueFd fd) : pipe_(io, fd.release()) {
  pipe_.non_blocking(true);
}

void ControlWriter::send(std::string line) {
  if (!pipe_.is_open()) return;
  if (in_flight_.empty()) {
    write(std::move(line));
  } else {
    newest_ = std::move(line);
  }
}

void ControlWriter::write(std::string line) {
  in_flight_ = std::move(line) + "\n";
  boost::asio::async_write(pipe_, boost::asio::buffer(in_flight_),
                           [self = shared_from_this()](const boost::system::error_code& failure, size_t) {
                             self->in_flight_.clear();
                             if (failure) return self->close();
                             if (self->newest_) self->write(*std::exchange(self->newest_, std::nullopt));
                           });
}

void ControlWriter::close() {
  boost::system::error_code ignored;
  pipe_.close(ignored);
}

}  // namespace trickle::pipeline
