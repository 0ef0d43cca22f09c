// A server (http::Server, or RelayServer) on a free port, with an io_context and a thread of its own.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "integration/raw_client.h"

namespace trickle::testing {

template <typename Server>
class ServerThread {
 public:
  /// `arguments` are those of the server behind its io_context.
  template <typename... Arguments>
  explicit ServerThread(Arguments&&... arguments)
      : server_(std::make_unique<Server>(io_, std::forward<Arguments>(arguments)...)) {
    const auto bound = server_->listen({"127.0.0.1", 0});
    EXPECT_TRUE(bound);
    if (bound) port_ = bound->port;
    thread_ = std::thread([this, work = boost::asio::make_work_guard(io_)] { io_.run(); });
  }
  ~ServerThread() {
    post([this] {
      server_.reset();
      io_.stop();
    });
    thread_.join();
  }
  ServerThread(const ServerThread&) = delete;
  ServerThread& operator=(const ServerThread&) = delete;

  [[nodiscard]] uint16_t port() const { return port_; }
  /// For its thread.
  [[nodiscard]] Server& server() { return *server_; }
  void post(std::function<void()> task) { boost::asio::post(io_, std::move(task)); }

  /// What `question` says on the server's thread.
  template <typename Question>
  auto ask(Question question) {
    std::promise<decltype(question())> answered;
    post([&] { answered.set_value(question()); });
    return answered.get_future().get();
  }
  /// Asks until it says so, or the deadline has come.
  bool becomes(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + RawClient::kDeadline;
    while (std::chrono::steady_clock::now() < deadline) {
      if (ask(condition)) return true;
      std::this_thread::yield();
    }
    return false;
  }

 private:
  boost::asio::io_context io_{1};
  std::unique_ptr<Server> server_;
  std::thread thread_;
  uint16_t port_ = 0;
};

}  // namespace trickle::testing
