// The real programs, trickle-pub | trickle-relay | trickle-sub, over a network and a server that fail all the
// time: what comes out is what went in, or the difference is in the counters.
//
// TRICKLE_FAULT_SERVER is the port of another server on this machine to run the first test over.
// TRICKLE_FAULT_SECONDS (5) says how long the network fails, TRICKLE_FAULT_SEED repeats a run's faults.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include "integration/child_process.h"
#include "integration/fault_proxy.h"
#include "integration/stream_difference.h"

namespace trickle {
namespace {

using testing::ChildProcess;
using testing::compare_streams;
using testing::FaultProxy;
using Seconds = std::chrono::seconds;
using SteadyClock = std::chrono::steady_clock;

constexpr size_t kSegmentBytes = 30'000;

uint64_t environment_number(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// Bytes of which any few tell where they stand in the stream.
class Source {
 public:
  explicit Source(uint64_t seed) : random_(seed) {}
  std::string_view next(size_t bytes) {
    const size_t begin = all_.size();
    while (all_.size() < begin + bytes) {
      const uint64_t word = random_();
      all_.append(reinterpret_cast<const char*>(&word), sizeof word);
    }
    return std::string_view(all_).substr(begin);
  }
  [[nodiscard]] const std::string& all() const { return all_; }

 private:
  std::mt19937_64 random_;
  std::string all_;
};

struct PubSummary {
  uint64_t segments, bytes, lost_segments, lost_bytes;
};
PubSummary summary_of_pub(const std::string& log) {
  PubSummary s{};
  const size_t at = log.rfind("published ");
  EXPECT_EQ(std::sscanf(log.c_str() + (at == std::string::npos ? log.size() : at),
                        "published %lu segments, %lu bytes; lost %lu segments, %lu bytes", &s.segments,
                        &s.bytes, &s.lost_segments, &s.lost_bytes),
            4)
      << log;
  return s;
}

struct SubSummary {
  uint64_t segments, bytes, gaps;
};
SubSummary summary_of_sub(const std::string& log) {
  SubSummary s{};
  const size_t at = log.rfind("received ");
  EXPECT_EQ(std::sscanf(log.c_str() + (at == std::string::npos ? log.size() : at),
                        "received %lu segments, %lu bytes, %lu gaps", &s.segments, &s.bytes, &s.gaps),
            3)
      << log;
  return s;
}

class Relay {
 public:
  explicit Relay(uint16_t port = 0)
      : process_({"trickle-relay", "--window", "1000", "--listen", fmt::format("127.0.0.1:{}", port)}) {
    const std::string line = process_.wait_for_log("listening on http://127.0.0.1:");
    EXPECT_FALSE(line.empty()) << process_.log();
    port_ = static_cast<uint16_t>(std::strtoul(line.c_str() + line.rfind(':') + 1, nullptr, 10));
  }
  [[nodiscard]] uint16_t port() const { return port_; }
  void kill() {
    process_.signal(SIGKILL);
    EXPECT_EQ(process_.wait(), 128 + SIGKILL);
  }

 private:
  ChildProcess process_;
  uint16_t port_ = 0;
};

std::string channel(uint16_t port) { return fmt::format("http://127.0.0.1:{}/c", port); }

// TRICKLE_FAULT_KEEP names a folder for what went in, came out and was said, to look into afterwards.
void keep(const std::string& in, const ChildProcess& pub, const ChildProcess& sub) {
  const char* folder = std::getenv("TRICKLE_FAULT_KEEP");
  if (folder == nullptr) return;
  const auto write = [&](const char* name, const std::string& text) {
    std::ofstream(std::string(folder) + "/" + name, std::ios::binary) << text;
  };
  write("in", in);
  write("out", sub.output());
  write("pub.log", pub.log());
  write("sub.log", sub.log());
}

// Ends both programs, and holds what came out against what went in and what they say of it.
void check(const Source& source, ChildProcess& pub, ChildProcess& sub) {
  pub.close_input();
  const int published = pub.wait();
  const int received = sub.wait();
  SCOPED_TRACE("log of trickle-pub:\n" + pub.log() + "\nlog of trickle-sub:\n" + sub.log());
  keep(source.all(), pub, sub);
  ASSERT_NE(published, -1) << "trickle-pub does not end";
  ASSERT_NE(received, -1) << "trickle-sub does not end";
  const PubSummary sent = summary_of_pub(pub.log());
  const SubSummary got = summary_of_sub(sub.log());
  const auto [missing, understood_bytes] = compare_streams(source.all(), sub.output(), kSegmentBytes);
  ASSERT_TRUE(missing) << "something came twice, out of order or changed, behind byte " << understood_bytes
                       << " of " << sub.output().size();
  std::cout << fmt::format(
      "{} bytes in, {} out; {} lost by pub in {} segments, {} gaps of sub; {} missing in {} runs\n",
      source.all().size(), sub.output().size(), sent.lost_bytes, sent.lost_segments, got.gaps,
      missing->missing_bytes, missing->missing_runs);
  EXPECT_EQ(sent.bytes + sent.lost_bytes, source.all().size());
  EXPECT_EQ(published, sent.lost_bytes == 0 ? 0 : 1);
  EXPECT_EQ(received, 0);
  EXPECT_EQ(got.bytes, sub.output().size());
  if (std::getenv("TRICKLE_FAULT_SERVER") != nullptr) return;  // It may not tell what was missed at the end.
  EXPECT_LE(missing->missing_runs, sent.lost_segments + got.gaps);
  if (got.gaps == 0) {
    EXPECT_LE(missing->missing_bytes, sent.lost_bytes);
  }
}

// The comparison itself: it must neither miss what came twice nor find it where nothing did.

class StreamDifference : public ::testing::Test {
 protected:
  [[nodiscard]] std::string piece(size_t segment, size_t bytes) const {
    return in_.substr(segment * 1000, bytes);
  }
  [[nodiscard]] std::string upto(size_t segment) const { return in_.substr(0, segment * 1000); }
  [[nodiscard]] std::string from(size_t segment) const { return in_.substr(segment * 1000); }
  [[nodiscard]] testing::Comparison compare(const std::string& out) const {
    return compare_streams(in_, out, 1000);
  }
  Source source_{1};
  std::string in_{source_.next(100'000)};
};

TEST_F(StreamDifference, CountsTheEndsOfSegmentsAndTheSegmentsThatAreMissing) {
  EXPECT_EQ(compare(in_).left_out->missing_bytes, 0U);
  EXPECT_EQ(compare("").left_out->missing_runs, 1U);
  const auto found = compare(upto(7) + piece(7, 300) + piece(9, 1000) + from(11));
  ASSERT_TRUE(found.left_out);
  EXPECT_EQ(found.left_out->missing_bytes, 700U + 1000U + 1000U);
  EXPECT_EQ(found.left_out->missing_runs, 2U);
}

TEST_F(StreamDifference, UnderstandsSegmentsOfWhichOnlyAFewBytesCame) {
  for (size_t few = 1; few < 20; ++few) {
    const auto found = compare(upto(3) + piece(3, 500) + piece(5, few) + piece(8, few) + from(90));
    ASSERT_TRUE(found.left_out) << few;
    EXPECT_EQ(found.left_out->missing_bytes, 87'000U - 500U - 2 * few);
    const auto at_the_end = compare(upto(3) + piece(3, 500) + piece(5, few));
    ASSERT_TRUE(at_the_end.left_out) << few;
  }
}

TEST_F(StreamDifference, FindsWhatCameTwiceOutOfOrderOrChanged) {
  const std::vector<std::string> wrong = {
      upto(3) + from(2),                                    // A segment twice.
      upto(3) + piece(3, 400) + in_.substr(3399),           // A byte twice.
      upto(3) + piece(3, 400) + in_.substr(3300),           // Some bytes twice.
      upto(3) + piece(4, 1000) + piece(3, 1000) + from(5),  // Out of order.
      upto(3) + in_.substr(3010),                           // The beginning of a segment is missing.
      upto(3) + piece(3, 400) + in_.substr(3500),           // Its middle is.
      upto(3) + piece(3, 400) + "x" + in_.substr(3401),     // Changed.
      upto(3) + piece(3, 400) + "xyz" + in_.substr(3400),
      in_ + "xyz",  // Added.
  };
  for (const std::string& out : wrong) {
    const auto found = compare(out);
    EXPECT_FALSE(found.left_out) << out.size();
    EXPECT_LE(found.understood_bytes, out.size());
  }
}

TEST(PairOverTheRelay, GivesOutWhatWentInOrCountsTheDifferenceWhateverTheNetworkDoes) {
  const uint64_t seed = environment_number("TRICKLE_FAULT_SEED", std::random_device()());
  const Seconds duration(environment_number("TRICKLE_FAULT_SECONDS", 5));
  std::cout << fmt::format("TRICKLE_FAULT_SEED={} TRICKLE_FAULT_SECONDS={}\n", seed, duration.count());
  const auto other_server = static_cast<uint16_t>(environment_number("TRICKLE_FAULT_SERVER", 0));
  std::optional<Relay> relay;
  FaultProxy proxy(other_server != 0 ? other_server : relay.emplace().port(), seed);
  ChildProcess sub({"trickle-sub", "--start", "0", "--wait", "--on-gap", "oldest", "--retry", "forever",
                    channel(proxy.port())});
  ChildProcess pub({"trickle-pub", "--split", fmt::format("bytes:{}", kSegmentBytes), "--retry", "forever",
                    channel(proxy.port())});
  Source source(seed);
  const auto end = SteadyClock::now() + duration;
  while (SteadyClock::now() < end) {
    if (!pub.write(source.next(8192))) {
      FAIL() << "trickle-pub ended by itself with " << pub.wait() << "\n" << pub.log();
    }
    std::this_thread::sleep_for(
        std::chrono::milliseconds(5));  // The pace of a source, not a wait for anything.
  }
  check(source, pub, sub);
  EXPECT_GT(proxy.killed(), 0);
  // How much it missed at the end depends on how far behind it was when the channel was deleted.
  EXPECT_GT(sub.output().size(), 0U);
}

TEST(PairOverTheRelay, GoesOnByItselfWhenTheRelayIsKilledFiveTimesAndTellsTheLossToTheByte) {
  const uint64_t seed = environment_number("TRICKLE_FAULT_SEED", std::random_device()());
  std::cout << fmt::format("TRICKLE_FAULT_SEED={}\n", seed);
  auto relay = std::make_unique<Relay>();
  const uint16_t port = relay->port();
  ChildProcess sub(
      {"trickle-sub", "--start", "0", "--wait", "--on-gap", "oldest", "--retry", "forever", channel(port)});
  ChildProcess pub({"trickle-pub", "--split", fmt::format("bytes:{}", kSegmentBytes), "--retry", "forever",
                    channel(port)});
  Source source(seed);
  std::atomic<bool> ending{false};
  std::mutex mutex;  // Of `source`.
  const auto is_near = [&](const std::string& out) {
    const std::lock_guard lock(mutex);
    const auto newest = std::string_view(source.all())
                            .substr(source.all().size() - std::min<size_t>(source.all().size(), 60'000));
    return out.size() >= 16 &&
           newest.find(std::string_view(out).substr(out.size() - 16)) != std::string_view::npos;
  };
  std::thread feeder([&] {
    while (!ending) {
      std::string piece;
      {
        const std::lock_guard lock(mutex);
        piece = source.next(4096);
      }
      if (!pub.write(piece)) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));  // The pace of a source.
    }
  });
  std::mt19937_64 random(seed);
  for (int kills = 0; kills < 5; ++kills) {
    // What the relay has and nobody has read dies with it: kill it when its reader is near.
    size_t enough = sub.output_bytes() + 50'000 + random() % 100'000;
    do {
      if (!sub.wait_for_output(enough)) {
        ADD_FAILURE() << "nothing comes any more\n" << sub.log() << pub.log();
        break;
      }
      enough = sub.output_bytes() + 1;
    } while (!is_near(sub.output()));
    relay->kill();
    relay.reset();  // Only now is its port free.
    relay = std::make_unique<Relay>(port);
  }
  EXPECT_TRUE(sub.wait_for_output(sub.output_bytes() + 100'000)) << sub.log() << pub.log();
  ending = true;
  feeder.join();
  check(source, pub, sub);
  EXPECT_GT(summary_of_pub(pub.log()).lost_bytes, 0U);
  EXPECT_GT(sub.output().size(), source.all().size() / 2);
}

}  // namespace
}  // namespace trickle
