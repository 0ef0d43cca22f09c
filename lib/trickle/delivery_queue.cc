#include "trickle/delivery_queue.h"

#include <boost/asio/post.hpp>

namespace trickle {
namespace {

// A turn of less than half a millisecond, so that nobody waits longer for the thread to look at the sockets;
// and long enough that this looking costs little beside the sends.
constexpr int kReadersInOneTurn = 64;

}  // namespace

void DeliveryQueue::add(DueReader& reader) {
  if (reader.is_linked()) return;
  due_.push_back(reader);
  if (!posted_) serve_later();
}

void DeliveryQueue::serve_later() {
  posted_ = true;
  boost::asio::post(io_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->serve();
  });
}

void DeliveryQueue::serve() {
  posted_ = false;
  for (int i = 0; i < kReadersInOneTurn && !due_.empty(); ++i) {
    DueReader& reader = due_.front();
    due_.pop_front();
    reader.deliver();
  }
  if (!due_.empty() && !posted_) serve_later();
}

}  // namespace trickle
