#include "bench/server_under_test.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <thread>

#include "base/try.h"
#include "io/clock.h"

namespace trickle::bench {
namespace {

using namespace std::chrono_literals;

Result<LiveServer> find_running(const std::string& server) {
  LiveServer live;
  if (std::all_of(server.begin(), server.end(), [](unsigned char c) { return std::isdigit(c) != 0; })) {
    live.pid = static_cast<pid_t>(std::stol(server));
    TRICKLE_TRY_ASSIGN(const uint16_t port, port_of(live.pid));
    TRICKLE_TRY_ASSIGN(live.address, resolve_server(fmt::format("http://127.0.0.1:{}/", port)));
    return live;
  }
  TRICKLE_TRY_ASSIGN(live.address, resolve_server(server));
  TRICKLE_TRY_ASSIGN(live.pid, process_listening_on(ntohs(live.address.address.sin_port)));
  return live;
}

}  // namespace

Result<LiveServer> ServerUnderTest::bring_up(const std::vector<int>& cores) const {
  LiveServer live;
  if (server.empty()) {
    TRICKLE_TRY_ASSIGN(live.started, ServerProgram::start(command));
    live.pid = live.started.program.pid();
    TRICKLE_TRY_ASSIGN(live.address, resolve_server(fmt::format("http://127.0.0.1:{}/", live.started.port)));
  } else {
    TRICKLE_TRY_ASSIGN(live, find_running(server));
  }
  TRICKLE_TRY(pin(live.pid, cores));
  return live;
}

void await_idle(pid_t pid) {
  constexpr int kQuietPolls = 4;
  const TimePoint deadline = system_clock().now() + 10s;
  std::chrono::nanoseconds last{-1};
  for (int quiet = 0; quiet < kQuietPolls && system_clock().now() < deadline;) {
    const auto used = cpu_time(pid).value_or(std::chrono::nanoseconds(0));
    // Timers that tick a few times a second are no work.
    quiet = used - last < 200us ? quiet + 1 : 0;
    last = used;
    std::this_thread::sleep_for(20ms);
  }
}

}  // namespace trickle::bench
