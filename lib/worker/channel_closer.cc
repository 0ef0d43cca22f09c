#include "worker/channel_closer.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <memory>
#include <utility>

#include "base/log.h"
#include "http/client.h"
#include "io/clock.h"

namespace trickle::worker {
namespace {

// Also for one that had to wait for others, whose servers are slow.
constexpr std::chrono::milliseconds kLeastTime{200};

void send_delete(const std::string& url, const ConnectionOptions& connection, TimePoint deadline) {
  http::Client client(connection);
  http::ClientRequest request;
  request.method = "DELETE";
  request.url = url;
  const auto transfer = client.start(request);
  deadline = std::max(deadline, system_clock().now() + kLeastTime);
  while (!transfer->done() && system_clock().now() < deadline) client.wait(deadline, {});
  if (!transfer->done()) {
    log::warning("a published channel could not be closed: no answer in time");
  } else if (transfer->failure()) {
    log::warning("a published channel could not be closed: {}", transfer->failure()->error.to_string());
  } else if (const auto* head = transfer->head(); head != nullptr && head->status >= 400) {
    // 400 and 404 tell that it is closed already.
    log::debug("DELETE of a published channel was answered {}", head->status);
  }
}

}  // namespace

ChannelClosers::ChannelClosers(boost::asio::io_context& io, const PlanOptions& options)
    : io_(io), options_(options) {}

ChannelClosers::~ChannelClosers() { threads_.join(); }

void ChannelClosers::close(const std::string& url, std::chrono::milliseconds within,
                           std::function<void()> done) {
  const TimePoint deadline = system_clock().now() + within;
  ConnectionOptions connection;
  connection.token = options_.token;
  connection.insecure = options_.insecure;
  connection.public_only = options_.public_only;
  // The guard keeps the io_context running until `done` has been handed to it.
  auto guard = boost::asio::make_work_guard(io_);
  boost::asio::post(threads_,
                    [&io = io_, guard, url, connection, deadline, done = std::move(done)]() mutable {
                      send_delete(url, connection, deadline);
                      boost::asio::post(io, std::move(done));
                    });
}

}  // namespace trickle::worker
