// Readers that have something to be sent, in the order in which they learnt of it. Private to lib/trickle.
//
// They are served a few at a time, and between two such turns the server's thread looks at its sockets. So a
// chunk for thousands of readers keeps nobody else waiting, and what arrives in the meantime is there already
// when the later ones of them have their turn: under load one send carries several chunks.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/intrusive/list.hpp>
#include <memory>

namespace trickle {

/// Leaves the queue by itself when it is destroyed.
class DueReader
    : public boost::intrusive::list_base_hook<boost::intrusive::tag<class DueReaderTag>,
                                              boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  virtual void deliver() = 0;

 protected:
  ~DueReader() = default;
};

/// Belongs to the thread of its io_context.
class DeliveryQueue : public std::enable_shared_from_this<DeliveryQueue> {
 public:
  explicit DeliveryQueue(boost::asio::io_context& io) : io_(io) {}
  DeliveryQueue(const DeliveryQueue&) = delete;
  DeliveryQueue& operator=(const DeliveryQueue&) = delete;

  /// deliver() is called soon, never from within this call; one that waits for it already is called once.
  void add(DueReader& reader);

 private:
  void serve_later();
  void serve();

  using List = boost::intrusive::list<DueReader, boost::intrusive::base_hook<DueReader>,
                                      boost::intrusive::constant_time_size<false>>;
  boost::asio::io_context& io_;
  List due_;
  bool posted_ = false;
};

}  // namespace trickle
