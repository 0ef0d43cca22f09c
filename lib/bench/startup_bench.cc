#include "bench/startup_bench.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/try.h"
#include "bench/process.h"
#include "bench/report.h"
#include "bench/spawn.h"
#include "bench/statistics.h"
#include "io/clock.h"
#include "io/fd_io.h"

namespace trickle::bench {
namespace {

using nlohmann::json;

constexpr int kDeadlineMs = 20'000;

// When a program is of use.
enum class Ready {
  kSaysListening,  // "listening on" stands on its stderr.
  kConnects,       // Its first connection arrives.
  kEnds,           // It has dealt with an empty input.
};

struct Case {
  std::string name;
  std::vector<std::string> command;
  Ready ready;
};

// Where clients under test connect to; nothing is ever answered.
class Door {
 public:
  Result<void> open() {
    fd_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    if (::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address_), size) != 0 ||
        ::listen(fd_.get(), 16) != 0 ||
        ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address_), &size) != 0) {
      return unexpected(ErrorKind::kIo, "cannot listen on 127.0.0.1");
    }
    return {};
  }
  [[nodiscard]] std::string url() const {
    return fmt::format("http://127.0.0.1:{}/channel", ntohs(address_.sin_port));
  }
  [[nodiscard]] int fd() const { return fd_.get(); }
  // Forgets connections that nobody will answer.
  void clear() const {
    while (const UniqueFd peer{::accept(fd_.get(), nullptr, nullptr)}) {
    }
  }

 private:
  UniqueFd fd_;
  sockaddr_in address_{};
};

std::vector<Case> cases(const std::string& url) {
  const auto tool = [](const char* name) { return program_beside(name); };
  return {{"trickle-relay", {tool("trickle-relay"), "--listen", "127.0.0.1:0"}, Ready::kSaysListening},
          {"bare libcurl program", {tool("bench-bare-curl"), url}, Ready::kConnects},
          {"trickle-sub", {tool("trickle-sub"), url}, Ready::kConnects},
          {"trickle-pub", {tool("trickle-pub"), "--split", "eof", url}, Ready::kConnects},
          {"trickle-decode", {tool("trickle-decode")}, Ready::kEnds},
          {"trickle-fx", {tool("trickle-fx"), "red_tint"}, Ready::kEnds},
          {"trickle-encode", {tool("trickle-encode")}, Ready::kEnds},
          {"true", {"true"}, Ready::kEnds}};
}

bool wait_readable_once(int fd) {
  pollfd waited{fd, POLLIN, 0};
  return ::poll(&waited, 1, kDeadlineMs) == 1;
}

bool says_listening(int fd) {
  std::string text;
  char buffer[512];
  while (text.find("listening on") == std::string::npos) {
    if (!wait_readable_once(fd)) return false;
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count <= 0) return false;
    text.append(buffer, static_cast<size_t>(count));
  }
  return true;
}

Result<double> time_one(const Case& program, const Door& door) {
  TRICKLE_TRY_ASSIGN(Pipe said, make_pipe());
  // A publisher has something to publish.
  TRICKLE_TRY_ASSIGN(Pipe input, make_pipe());
  if (program.ready == Ready::kConnects) (void)!::write(input.write_end.get(), "x", 1);
  input.write_end.reset();
  const UniqueFd discard(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  const TimePoint start = system_clock().now();
  TRICKLE_TRY_ASSIGN(Program running, Program::start(program.command, {input.read_end.get(), discard.get(),
                                                                       said.write_end.get()}));
  said.write_end.reset();
  bool ready = true;
  if (program.ready == Ready::kSaysListening) ready = says_listening(said.read_end.get());
  if (program.ready == Ready::kConnects) ready = wait_readable_once(door.fd());
  if (program.ready == Ready::kEnds) running.wait();
  const std::chrono::duration<double, std::milli> took = system_clock().now() - start;
  running = Program();
  door.clear();
  if (ready) return took.count();
  return unexpected(ErrorKind::kNetwork, program.name + " did not get ready");
}

}  // namespace

Result<void> run_startup_bench(const StartupBenchOptions& options, const StopToken& stop) {
  Door door;
  TRICKLE_TRY(door.open());
  const auto programs = cases(door.url());
  std::vector<std::vector<double>> times(programs.size());
  // The first round brings the files into memory and does not count.
  for (size_t round = 0; round <= options.rounds; ++round) {
    for (size_t i = 0; i < programs.size(); ++i) {
      if (stop.stop_requested()) return unexpected(ErrorKind::kCancelled, "stopped");
      TRICKLE_TRY_ASSIGN(const double took, time_one(programs[i], door));
      if (round > 0) times[i].push_back(took);
    }
  }
  Table table({"program", "ready when", "ms median", "min", "max"});
  json document{{"bench", "startup"}, {"machine", machine()}, {"programs", json::array()}};
  const char* const ready[] = {"it listens", "its first connection arrives", "empty input is dealt with"};
  for (size_t i = 0; i < programs.size(); ++i) {
    const Spread spread = spread_of(times[i]);
    const char* const when = ready[static_cast<int>(programs[i].ready)];
    table.add({programs[i].name, when, fmt::format("{:.1f}", spread.median),
               fmt::format("{:.1f}", spread.min), fmt::format("{:.1f}", spread.max)});
    document["programs"].push_back(
        {{"program", programs[i].name},
         {"ready_when", when},
         {"ms", {{"median", spread.median}, {"min", spread.min}, {"max", spread.max}}},
         {"rounds_ms", times[i]}});
  }
  TRICKLE_TRY(print(machine_line() + "\n" + table.to_string()));
  return write_json(options.json, document);
}

}  // namespace trickle::bench
