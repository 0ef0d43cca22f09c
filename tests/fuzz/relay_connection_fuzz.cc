// A whole connection to a relay, as it comes from anywhere: whatever is sent, nothing of it remains when the
// client has left but what it has published, within the caps.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "http/server.h"
#include "io/unique_fd.h"
#include "trickle/relay.h"

namespace {

using namespace std::chrono_literals;
namespace http = trickle::http;

void require(bool condition) {
  if (!condition) std::abort();
}

class Bench {
 public:
  Bench()
      : relay_(io_, options()),
        server_(io_, {.header_limit_bytes = 2048, .max_connections = 10, .max_buffered_bytes = 1 << 20},
                [this](const auto& exchange) { relay_.handle(exchange); }) {
    const auto bound = server_.listen({"127.0.0.1", 0});
    require(bound.has_value());
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address_.sin_port = htons(bound->port);
  }

  void play(const char* data, size_t size, size_t piece_bytes) {
    trickle::UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    require(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address_), sizeof address_) == 0);
    while (size > 0) {
      const ssize_t sent =
          ::send(client.get(), data, std::min(size, piece_bytes), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent <= 0) break;
      data += sent;
      size -= static_cast<size_t>(sent);
      io_.poll();
    }
    io_.poll();
    // A reset, so that no port stays in use, and so that nothing need be drained.
    const linger at_once{1, 0};
    ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    client.reset();
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (server_.connections() > 0 && std::chrono::steady_clock::now() < deadline) io_.run_one_for(1ms);
    require(server_.connections() == 0);
    require(server_.buffered_bytes() == 0);
  }

 private:
  static trickle::RelayOptions options() {
    trickle::RelayOptions options;
    options.changefeed = true;
    options.max_segment_bytes = 4096;
    options.max_channel_bytes = 16384;
    options.memory_bytes = 65536;
    options.max_channels = 8;
    return options;
  }

  boost::asio::io_context io_{1};
  trickle::Relay relay_;
  http::Server server_;
  sockaddr_in address_{};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Bench bench;
  if (size > 1) bench.play(reinterpret_cast<const char*>(data) + 1, size - 1, 1 + data[0] * 16);
  return 0;
}
