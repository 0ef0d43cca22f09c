// Churn: channels made and dropped, writers that finish, die, contend and start over, readers that come,
// stall and leave in the middle, all against one trickle-relay. Every byte that a reader gets is compared
// with what was sent. Usage: relay_churn [--duration SECONDS] [--seed N] [-- RELAY OPTIONS…]. Exit code 0
// when all was well.
//
// Each POST sends one run: a header byte 0xff and nine bytes 0x80 to 0xbf that spell its number, then bytes
// below 0x80 that follow from number and position. So a reader knows at each byte what must come next, also
// where a segment goes on with the run of another writer in the middle of a dead one's.
#include <fmt/format.h>
#include <atomic>
#include <iostream>
#include <map>
#include <mutex>
#include <random>

#include "http/chunk.h"
#include "integration/churn_connection.h"
#include "integration/relay_process.h"

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Random = std::mt19937_64;
namespace http = trickle::http;
using trickle::testing::Connection;
using trickle::testing::field;
using trickle::testing::request;

constexpr int kChannels = 6;
constexpr int kWriters = 6;
constexpr int kReaders = 14;
constexpr size_t kHeaderBytes = 10;

uint64_t run_number(int channel, int64_t segment, uint64_t nonce) {
  return static_cast<uint64_t>(channel) << 50 | (static_cast<uint64_t>(segment) & 0xffffff) << 26 |
         (nonce & 0x3ffffff);
}

char run_byte(uint64_t run, size_t position) {
  if (position == 0) return '\xff';
  if (position < kHeaderBytes) return static_cast<char>(0x80 | ((run >> (6 * (position - 1))) & 0x3f));
  const uint64_t mixed = (run * 0x9e3779b97f4a7c15ULL) ^ (position * 0xc2b2ae3d27d4eb4fULL);
  return static_cast<char>((mixed >> 40) & 0x7f);
}

// What all threads share.
struct Shared {
  uint16_t port = 0;
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> nonce{1}, posts{0}, whole{0}, died{0}, refused{0}, gets{0}, cut{0}, left{0}, bytes{0};
  std::mutex mutex;
  std::vector<std::string> wrong;
  std::map<uint64_t, size_t> sent;      // Runs that were acknowledged as whole.
  std::map<uint64_t, size_t> received;  // Runs that made up a whole segment for a reader.

  void fail(const std::string& what) {
    const std::lock_guard lock(mutex);
    if (wrong.size() < 20) wrong.push_back(what);
    stop = true;
  }
};

std::string channel_path(int channel) { return std::string("/churn").append(std::to_string(channel)); }
std::string segment_path(int channel, const std::string& segment) {
  return channel_path(channel) + "/" + segment;
}

class Writer {
 public:
  Writer(Shared& shared, uint64_t seed, int home) : shared_(shared), random_(seed), home_(home) {}

  void run() {
    while (!shared_.stop) {
      const int channel = below(5) == 0 ? static_cast<int>(below(kChannels)) : home_;
      const size_t kind = below(60);
      if (kind == 0) {
        ask("DELETE", channel_path(channel));
      } else if (kind == 1) {
        ask("POST", channel_path(channel));
      } else if (kind == 2) {
        ask("DELETE", segment_path(channel, std::to_string(next_of(channel) - 1)));
      } else {
        post(channel);
      }
    }
  }

 private:
  size_t below(size_t limit) { return random_() % limit; }

  std::string ask(const std::string& method, const std::string& path) {
    Connection connection(shared_.port);
    connection.send(request(method, path, "Content-Length: 0\r\nConnection: close\r\n"));
    const std::string head = connection.head(30s);
    if (head.empty()) shared_.fail(method + " " + path + " was never answered");
    return head;
  }
  int64_t next_of(int channel) {
    return std::max<int64_t>(0, field(ask("GET", segment_path(channel, "next")), "Lp-Trickle-Latest"));
  }

  void post(int channel) {
    int64_t segment = next_of(channel);
    if (below(10) == 0) segment = std::max<int64_t>(0, segment - static_cast<int64_t>(below(3)));
    Connection connection(shared_.port);
    const std::string path = segment_path(channel, std::to_string(segment));
    connection.send(request(
        "POST", path,
        std::string("Transfer-Encoding: chunked\r\n") + (below(40) == 0 ? "Lp-Trickle-Reset: 1\r\n" : "")));
    ++shared_.posts;
    const uint64_t run = run_number(channel, segment, shared_.nonce++);
    const size_t pieces = below(12);
    const size_t dies_at = below(6) == 0 ? below(pieces + 1) : SIZE_MAX;
    size_t position = 0;
    for (size_t piece = 0; piece < pieces; ++piece) {
      if (piece == dies_at) return die(connection, run, position);
      std::string text(1 + below(below(8) == 0 ? 60'000 : 3000), '\0');
      for (char& byte : text) byte = run_byte(run, position++);
      if (!connection.send(http::Chunk(text).framed())) break;
      if (below(4) == 0) std::this_thread::sleep_for(std::chrono::milliseconds(below(15)));
    }
    connection.send("0\r\n\r\n");
    const std::string head = connection.head(30s);
    if (head.empty() && !connection.ended()) return shared_.fail("POST " + path + " was never answered");
    const bool whole =
        head.starts_with("HTTP/1.1 200") && head.find("Connection: close") == std::string::npos;
    ++(whole ? shared_.whole : shared_.refused);
    if (!whole || position == 0) return;
    const std::lock_guard lock(shared_.mutex);
    shared_.sent[run] = position;
  }

  // In the middle of a chunk, or between two; politely or not.
  void die(Connection& connection, uint64_t run, size_t position) {
    ++shared_.died;
    if (below(2) == 0) {
      std::string text(500, '\0');
      for (char& byte : text) byte = run_byte(run, position++);
      connection.send(http::Chunk(text).framed().substr(0, 200));
    }
    if (below(2) == 0) connection.reset();
  }

  Shared& shared_;
  Random random_;
  int home_;
};

// Compares what a reader gets, byte by byte.
class Checker {
 public:
  explicit Checker(int channel) : channel_(channel) {}

  /// \return false when `bytes` can't come here.
  bool take(std::string_view bytes) {
    for (const char byte : bytes) {
      if (byte == '\xff') {
        position_ = 1;
        run_ = 0;
        ++runs_;
      } else if (runs_ == 0) {
        return false;
      } else if (position_ < kHeaderBytes) {
        if ((byte & '\xc0') != '\x80') return false;
        run_ |= static_cast<uint64_t>(byte & 0x3f) << (6 * (position_ - 1));
        if (++position_ == kHeaderBytes && static_cast<int>(run_ >> 50) != channel_) return false;
      } else if (byte != run_byte(run_, position_++)) {
        return false;
      }
    }
    return true;
  }
  [[nodiscard]] uint64_t run() const { return run_; }
  [[nodiscard]] uint64_t segment() const { return run_ >> 26 & 0xffffff; }
  [[nodiscard]] size_t runs() const { return runs_; }
  [[nodiscard]] size_t position() const { return position_; }

 private:
  int channel_;
  uint64_t run_ = 0;
  size_t position_ = 0;
  size_t runs_ = 0;
};

class Reader {
 public:
  Reader(Shared& shared, uint64_t seed) : shared_(shared), random_(seed) {}

  void run() {
    while (!shared_.stop) {
      const int channel = static_cast<int>(below(kChannels));
      Connection connection(shared_.port, below(10) == 0);
      static const char* const kStarts[] = {"-1", "-2", "-3", "oldest", "live", "-1"};
      std::string wanted = kStarts[below(std::size(kStarts))];
      // From segment to segment on one connection, as subscribers do.
      while (!shared_.stop && !wanted.empty()) wanted = get(connection, channel, wanted);
    }
  }

 private:
  size_t below(size_t limit) { return random_() % limit; }

  // \return what to ask for next, empty to start over.
  std::string get(Connection& connection, int channel, const std::string& wanted) {
    if (!connection.send(request("GET", segment_path(channel, wanted)))) return {};
    ++shared_.gets;
    const std::string head = connection.head(std::chrono::milliseconds(200 + below(2000)));
    const int64_t segment = field(head, "Lp-Trickle-Seq");
    if (!head.starts_with("HTTP/1.1 200") || head.find("chunked") == std::string::npos) {
      return {};  // Nothing there, or not in time, or empty.
    }
    Checker checker(channel);
    const size_t patience = below(4) == 0 ? 1 + below(30) : SIZE_MAX;
    for (size_t reads = 0; reads < patience && !shared_.stop; ++reads) {
      const Body body = take_chunks(connection, checker);
      if (body == Body::kWrong) {
        shared_.fail("a byte of " + segment_path(channel, wanted) + " is not what was sent, at " +
                     std::to_string(checker.position()) + " of run " + std::to_string(checker.run()));
        return {};
      }
      if (wanted != "live" && checker.position() >= kHeaderBytes &&
          static_cast<int64_t>(checker.segment()) != (segment & 0xffffff)) {
        shared_.fail("bytes of segment " + std::to_string(checker.segment()) + " in " +
                     std::to_string(segment));
      }
      if (body == Body::kEnd) return ended(checker, wanted, segment);
      if (below(50) == 0) std::this_thread::sleep_for(std::chrono::milliseconds(below(800)));  // A stall.
      if (!connection.read(2s) && connection.ended()) {
        ++shared_.cut;
        return {};
      }
    }
    ++shared_.left;
    return {};
  }

  std::string ended(const Checker& checker, const std::string& wanted, int64_t segment) {
    if (wanted == "live") return {};
    if (checker.runs() == 1) {
      const std::lock_guard lock(shared_.mutex);
      shared_.received[checker.run()] = checker.position();
    }
    return std::to_string(segment + 1);
  }

  enum class Body { kMore, kEnd, kWrong };
  Body take_chunks(Connection& connection, Checker& checker) {
    std::string& data = connection.received;
    while (true) {
      const size_t line = data.find("\r\n");
      if (line == std::string::npos) return Body::kMore;
      const size_t size = std::strtoul(data.c_str(), nullptr, 16);
      if (data.size() < line + 2 + size + 2) return Body::kMore;
      if (!checker.take(std::string_view(data).substr(line + 2, size))) return Body::kWrong;
      shared_.bytes += size;
      data.erase(0, line + 2 + size + 2);
      if (size == 0) return Body::kEnd;
    }
  }

  Shared& shared_;
  Random random_;
};

struct Options {
  int duration_s = 4;
  uint64_t seed = std::random_device()();
  std::vector<std::string> relay{"--memory",       "64M", "--max-segment-bytes", "300K", "--window", "3",
                                 "--idle-timeout", "3s",  "--changefeed"};
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--") {
      options.relay.insert(options.relay.end(), argv + i + 1, argv + argc);
      break;
    }
    if (i + 1 == argc || (word != "--duration" && word != "--seed")) {
      std::cerr << "usage: " << argv[0] << " [--duration SECONDS] [--seed N] [-- RELAY OPTIONS...]\n";
      std::exit(2);
    }
    const uint64_t value = std::strtoull(argv[++i], nullptr, 10);
    if (word == "--seed") {
      options.seed = value;
    } else {
      options.duration_s = static_cast<int>(value);
    }
  }
  return options;
}

void report(const Shared& shared, const trickle::testing::RelayProcess& relay, Clock::duration since) {
  std::cout << std::chrono::duration_cast<std::chrono::seconds>(since).count()
            << " s: " << relay.rss_bytes() / 1024 << " KiB resident, " << shared.posts << " posts ("
            << shared.whole << " whole, " << shared.died << " died, " << shared.refused << " refused), "
            << shared.gets << " gets (" << shared.cut << " cut, " << shared.left << " left), " << shared.bytes
            << " bytes compared" << std::endl;
}

// Whole segments that one writer sent and a reader got must be of the same length.
void compare_whole(Shared& shared) {
  size_t compared = 0;
  for (const auto& [run, bytes] : shared.received) {
    const auto sent = shared.sent.find(run);
    if (sent == shared.sent.end()) continue;
    ++compared;
    if (sent->second != bytes) {
      shared.wrong.push_back(fmt::format("run {}: {} bytes sent, {} received", run, sent->second, bytes));
    }
  }
  std::cout << compared << " whole segments compared\n";
  if (compared == 0) shared.wrong.emplace_back("no whole segment was compared");
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  std::cout << "seed " << options.seed << std::endl;
  trickle::testing::RelayProcess relay(options.relay);
  if (relay.port() == 0) return 1;
  Shared shared;
  shared.port = relay.port();
  std::vector<std::thread> threads;
  for (int i = 0; i < kWriters; ++i)
    threads.emplace_back(
        [&, i] { Writer(shared, options.seed + static_cast<uint64_t>(i), i % kChannels).run(); });
  for (int i = 0; i < kReaders; ++i)
    threads.emplace_back([&, i] { Reader(shared, options.seed + 1000 + static_cast<uint64_t>(i)).run(); });

  const auto started = Clock::now();
  size_t settled_rss = 0;
  for (auto next = started;
       !shared.stop && Clock::now() < started + std::chrono::seconds(options.duration_s);) {
    next += std::chrono::seconds(std::max(1, options.duration_s / 20));
    std::this_thread::sleep_until(next);
    report(shared, relay, Clock::now() - started);
    if (settled_rss == 0 && Clock::now() > started + std::chrono::seconds(options.duration_s) / 2)
      settled_rss = relay.rss_bytes();
  }
  shared.stop = true;
  for (auto& thread : threads) thread.join();
  compare_whole(shared);
  if (!relay.becomes("/_health", "\"readers\":0,")) shared.wrong.emplace_back("readers are left over");
  const size_t last_rss = relay.rss_bytes();
  std::cout << "resident: " << settled_rss / 1024 << " KiB at half time, " << last_rss / 1024
            << " KiB at the end\n";
  const bool exact = options.duration_s >= 60 && !trickle::testing::sanitized();
  const size_t slack = exact ? settled_rss / 20 + (1u << 20) : settled_rss / 4 + (16u << 20);
  if (last_rss > settled_rss + slack) shared.wrong.emplace_back("its memory grew");
  const int status = relay.stop();
  if (status != 0) shared.wrong.push_back("trickle-relay ended with " + std::to_string(status));
  for (const auto& what : shared.wrong) std::cout << "WRONG: " << what << "\n";
  std::cout << (shared.wrong.empty() ? "all well" : "not well") << std::endl;
  return shared.wrong.empty() ? 0 : 1;
}
