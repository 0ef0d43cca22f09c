#include "bench/channel_reader.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <utility>
#include <vector>

namespace trickle::bench {
namespace {

using namespace std::chrono_literals;

// How often a thread that waits looks whether it is to end.
constexpr int kLookMs = 50;
constexpr auto kAskAgain = 20ms;

struct Body {
  const ChannelReader::Take& take;
  AnswerHead head;
  bool ended = false;

  void on_head(const AnswerHead& answer) { head = answer; }
  void on_body(std::span<const char> bytes) {
    if (head.status != 200) return;
    take({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, system_clock().now());
  }
  void on_end() { ended = true; }
};

}  // namespace

ChannelReader::ChannelReader(ServerAddress server, std::string channel, Take take)
    : server_(std::move(server)), channel_(std::move(channel)), take_(std::move(take)) {
  thread_ = std::thread([this] { run(); });
}

ChannelReader::~ChannelReader() {
  stop_ = true;
  thread_.join();
}

void ChannelReader::run() {
  while (!stop_ && !ended_) {
    const auto connection = connect_to(server_, Blocking::kYes);
    while (connection && !stop_ && !ended_ && read_segment(connection->get(), next_)) {
    }
    if (!stop_ && !ended_) std::this_thread::sleep_for(kAskAgain);
  }
}

bool ChannelReader::read_segment(int fd, int64_t number) {
  if (!send_all(fd, fmt::format("GET {}{}/{} HTTP/1.1\r\nHost: {}\r\n\r\n", server_.base, channel_, number,
                                server_.authority))) {
    return false;
  }
  AnswerReader reader;
  Body body{take_, {}, false};
  std::vector<char> buffer(256 * 1024);
  while (!body.ended) {
    pollfd waited{fd, POLLIN, 0};
    if (::poll(&waited, 1, kLookMs) == 0 && !stop_) continue;
    if (stop_) return false;
    const ssize_t count = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (count <= 0 || !reader.feed({buffer.data(), static_cast<size_t>(count)}, body)) return false;
  }
  if (body.head.closed) ended_ = true;
  if (body.head.status == 200) {
    ++next_;
  } else {
    std::this_thread::sleep_for(kAskAgain);
  }
  return body.head.keeps_alive;
}

}  // namespace trickle::bench
