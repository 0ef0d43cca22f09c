#include "trickle/delivery_queue.h"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <functional>
#include <memory>
#include <vector>

namespace trickle {
namespace {

struct Reader final : DueReader {
  std::function<void()> on_deliver;
  int delivered = 0;
  void deliver() override {
    ++delivered;
    if (on_deliver) on_deliver();
  }
};

class DeliveryQueueTest : public ::testing::Test {
 protected:
  boost::asio::io_context io{1};
  std::shared_ptr<DeliveryQueue> queue = std::make_shared<DeliveryQueue>(io);
};

TEST_F(DeliveryQueueTest, ServesEachReaderOnceHoweverOftenItBecameDue) {
  std::vector<Reader> readers(1000);
  for (int times = 0; times < 3; ++times) {
    for (auto& reader : readers) queue->add(reader);
  }
  EXPECT_EQ(readers[0].delivered, 0);
  io.run();
  for (const auto& reader : readers) ASSERT_EQ(reader.delivered, 1);
}

TEST_F(DeliveryQueueTest, LetsOthersHaveTheThreadBetweenTurns) {
  std::vector<Reader> readers(1000);
  int served_before = -1;
  int served = 0;
  for (auto& reader : readers) {
    reader.on_deliver = [&] { ++served; };
    queue->add(reader);
  }
  boost::asio::post(io, [&] { served_before = served; });
  io.run();
  EXPECT_EQ(served, 1000);
  EXPECT_GT(served_before, 0);
  EXPECT_LT(served_before, 1000);
}

TEST_F(DeliveryQueueTest, ServesAReaderAgainThatBecomesDueWhileItIsServed) {
  Reader reader;
  reader.on_deliver = [&] {
    if (reader.delivered < 3) queue->add(reader);
  };
  queue->add(reader);
  io.run();
  EXPECT_EQ(reader.delivered, 3);
}

TEST_F(DeliveryQueueTest, ForgetsReadersThatLeave) {
  auto leaving = std::make_unique<Reader>();
  Reader first, last;
  int after = 0;
  first.on_deliver = [&] { leaving.reset(); };
  last.on_deliver = [&] { ++after; };
  for (Reader* reader : {&first, leaving.get(), &last}) queue->add(*reader);
  io.run();
  EXPECT_EQ(leaving, nullptr);
  EXPECT_EQ(after, 1);
}

TEST_F(DeliveryQueueTest, MayEndWhileReadersWait) {
  Reader reader;
  queue->add(reader);
  queue.reset();
  io.run();
  EXPECT_EQ(reader.delivered, 0);
}

}  // namespace
}  // namespace trickle
