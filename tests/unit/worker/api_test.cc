// What the API does with clients that don't go on; the rest of it is tested with the program.
#include "worker/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <future>

#include "http/server.h"
#include "worker/worker.h"

namespace trickle::worker {
namespace {

using boost::asio::ip::tcp;

std::string exchange_with(uint16_t port, const std::string& request) {
  boost::asio::io_context io;
  tcp::socket socket(io);
  boost::system::error_code failure;
  socket.connect({boost::asio::ip::address_v4::loopback(), port}, failure);
  boost::asio::write(socket, boost::asio::buffer(request), failure);
  std::string answer;
  boost::asio::read(socket, boost::asio::dynamic_buffer(answer), failure);
  return answer;
}

TEST(Api, ABodyThatDoesNotComeIsAnswered408AndHoldsNothing) {
  boost::asio::io_context io{1};
  Worker worker(io, {});
  ApiOptions options;
  options.body_timeout = std::chrono::milliseconds(100);
  Api api(io, worker, options);
  http::Server server(io, {}, [&](const auto& exchange) { api.handle(exchange); });
  const auto bound = server.listen({"127.0.0.1", 0});
  ASSERT_TRUE(bound);
  for (const char* path : {"/stream/start", "/stream/params", "/stream/stop"}) {
    auto answer =
        std::async(std::launch::async, exchange_with, bound->port,
                   std::string("POST ") + path + " HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n{");
    while (answer.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
      io.run_for(std::chrono::milliseconds(20));
    EXPECT_THAT(answer.get(), ::testing::StartsWith("HTTP/1.1 408 ")) << path;
  }
}

}  // namespace
}  // namespace trickle::worker
