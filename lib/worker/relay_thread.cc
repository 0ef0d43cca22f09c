#include "worker/relay_thread.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/try.h"
#include "io/machine.h"
#include "trickle/relay_server.h"

namespace trickle::worker {
namespace {

// What writers in the middle of a segment get to finish it.
constexpr std::chrono::milliseconds kDrain{500};
// And then readers, to take what they were sent.
constexpr std::chrono::milliseconds kFarewell{500};

// The worker's processes need memory of their own beside the relay inside.
RelayOptions bounded(RelayOptions options) {
  options.memory_bytes = std::min(options.memory_bytes, usable_memory_bytes() / 4);
  return options;
}

http::ServerOptions server_options() {
  http::ServerOptions options;
  options.max_buffered_bytes = usable_memory_bytes() / 16;
  options.server_name = "trickle-relay";
  return options;
}

class RunningRelay final : public RelayThread {
 public:
  RunningRelay(RelayOptions options, Counters& counters)
      : server_(io_, bounded(std::move(options)), server_options(), 1, &counters) {}

  Result<void> launch(const Endpoint& listen) {
    TRICKLE_TRY_ASSIGN(endpoint_, server_.listen(listen));
    thread_ = std::thread([this] { io_.run(); });
    return {};
  }

  ~RunningRelay() override {
    if (!thread_.joinable()) return;
    boost::asio::post(io_, [this] { server_.shutdown(kDrain, kFarewell, [this] { io_.stop(); }); });
    thread_.join();
    log::info("relay: {}", server_.summary());
  }

  [[nodiscard]] const Endpoint& endpoint() const override { return endpoint_; }

 private:
  boost::asio::io_context io_{1};
  RelayServer server_;
  Endpoint endpoint_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<RelayThread>> RelayThread::start(const Endpoint& listen, RelayOptions options,
                                                        Counters& counters) {
  auto relay = std::make_unique<RunningRelay>(std::move(options), counters);
  TRICKLE_TRY(relay->launch(listen));
  return std::unique_ptr<RelayThread>(std::move(relay));
}

}  // namespace trickle::worker
