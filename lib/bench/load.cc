#include "bench/load.h"

#include <fmt/format.h>
#include <unistd.h>

#include <thread>

#include "base/try.h"
#include "bench/load_publisher.h"
#include "bench/load_subscribers.h"

namespace trickle::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto kPoll = 5ms;
// Once publishers have ended, readers that get nothing for this long will not get the rest.
constexpr auto kSilence = 2s;
constexpr auto kLeadTime = 100ms;

std::string new_prefix() {
  static int count = 0;
  return fmt::format("bench-{}-{}", ::getpid(), count++);
}

class Load {
 public:
  Load(const LoadOptions& options, const ServerAddress& server, const StopToken& stop)
      : options_(options), shared_(options, server), stop_(stop) {
    for (size_t i = 0; i < options.threads; ++i) readers_.push_back(std::make_unique<Subscribers>(shared_));
    for (size_t i = 0; i < options.publishers; ++i) publishers_.emplace_back(shared_, i);
  }
  ~Load() {
    shared_.stopping = true;
    for (auto& thread : threads_) thread.join();
  }

  Result<LoadResult> run(const LoadHooks& hooks);

 private:
  Result<void> set_up();
  Result<void> publish();
  uint64_t expected_bytes() const;
  void await_readers();
  LoadResult result() const;

  const LoadOptions& options_;
  LoadShared shared_;
  const StopToken& stop_;
  std::vector<std::unique_ptr<Subscribers>> readers_;
  std::vector<LoadPublisher> publishers_;
  std::vector<std::thread> threads_;
  TimePoint started_;
  TimePoint last_received_;
};

Result<void> Load::set_up() {
  for (size_t i = 0; i < options_.publishers; ++i) {
    TRICKLE_TRY_ASSIGN(const AnswerHead made, request(shared_.server, "POST", shared_.path(i),
                                                      "Expect-Content: video/mp2t\r\nContent-Length: 0\r\n"));
    if (made.status != 200) {
      return unexpected(ErrorKind::kNetwork,
                        fmt::format("the server answered {} to the creation of a channel", made.status));
    }
  }
  // Every so-many-th subscriber is a stalled one.
  size_t stalled = 0;
  for (size_t i = 0; i < options_.subscribers; ++i) {
    const bool stalls = (i + 1) * options_.stalled / options_.subscribers > stalled;
    stalled += stalls;
    TRICKLE_TRY(readers_[i % readers_.size()]->add(i % options_.publishers, stalls));
    if (stop_.stop_requested()) return unexpected(ErrorKind::kCancelled, "stopped");
  }
  return {};
}

Result<void> Load::publish() {
  for (auto& reader : readers_) threads_.emplace_back([&reader] { reader->run(); });
  started_ = system_clock().now() + kLeadTime;
  std::vector<std::thread> publishing;
  std::vector<Result<void>> outcomes(publishers_.size());
  for (size_t i = 0; i < publishers_.size(); ++i) {
    publishing.emplace_back(
        [&, i] { outcomes[i] = publishers_[i].run(started_, started_ + options_.duration, stop_); });
  }
  for (auto& thread : publishing) thread.join();
  for (auto& outcome : outcomes) TRICKLE_TRY(std::move(outcome));
  return {};
}

uint64_t Load::expected_bytes() const {
  uint64_t expected = 0;
  for (const auto& reader : readers_) {
    for (const size_t channel : reader->channels()) expected += publishers_[channel].sent_bytes();
  }
  return expected;
}

void Load::await_readers() {
  const uint64_t expected = expected_bytes();
  uint64_t seen = 0;
  last_received_ = system_clock().now();
  while (shared_.bytes_received < expected && system_clock().now() < last_received_ + kSilence) {
    if (const uint64_t received = shared_.bytes_received; received != seen) {
      seen = received;
      last_received_ = system_clock().now();
    }
    std::this_thread::sleep_for(kPoll);
  }
  if (shared_.bytes_received >= expected) last_received_ = system_clock().now();
}

LoadResult Load::result() const {
  LoadResult result;
  for (const auto& reader : readers_) {
    const auto totals = reader->totals();
    result.delays.merge(totals.delays);
    result.wrong_bytes += totals.wrong_bytes;
    result.subscribers_cut += totals.cut;
    const auto channels = reader->channels();
    for (size_t i = 0; i < channels.size(); ++i) {
      result.bytes += totals.received_bytes[i];
      const uint64_t sent = publishers_[channels[i]].sent_bytes();
      if (totals.received_bytes[i] < sent) result.lost_bytes += sent - totals.received_bytes[i];
    }
  }
  result.deliveries = result.delays.count();
  for (const auto& publisher : publishers_) {
    result.late = std::max<std::chrono::nanoseconds>(result.late, publisher.late());
  }
  result.seconds = std::chrono::duration<double>(last_received_ - started_).count();
  return result;
}

Result<LoadResult> Load::run(const LoadHooks& hooks) {
  TRICKLE_TRY(set_up());
  if (hooks.all_waiting) hooks.all_waiting();
  TRICKLE_TRY(publish());
  if (hooks.published_all) hooks.published_all();
  await_readers();
  if (hooks.received_all) hooks.received_all();
  shared_.stopping = true;
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  for (size_t i = 0; i < options_.publishers; ++i) {
    TRICKLE_TRY(request(shared_.server, "DELETE", shared_.path(i), ""));
  }
  if (stop_.stop_requested()) return unexpected(ErrorKind::kCancelled, "stopped");
  return result();
}

}  // namespace

LoadShared::LoadShared(const LoadOptions& load_options, ServerAddress address)
    : options(load_options),
      server(std::move(address)),
      pattern(load_options.chunk_bytes),
      prefix(new_prefix()),
      finished_(load_options.publishers),
      readers_(load_options.publishers) {}

std::string LoadShared::path(size_t channel) const {
  return fmt::format("{}{}-{}", server.base, prefix, channel);
}

std::string LoadShared::path(size_t channel, int64_t segment) const {
  return fmt::format("{}{}-{}/{}", server.base, prefix, channel, segment);
}

void LoadShared::segments_read(size_t channel, int64_t first, int64_t last) {
  if (options.rate_hz > 0) return;
  const std::lock_guard lock(mutex_);
  auto& finished = finished_[channel];
  if (finished.size() <= static_cast<size_t>(last)) finished.resize(static_cast<size_t>(last) + 1);
  bool complete = false;
  for (auto segment = static_cast<size_t>(first); segment <= static_cast<size_t>(last); ++segment)
    complete |= ++finished[segment] >= readers_[channel];
  if (complete) changed_.notify_all();
}

void LoadShared::wait_until_read(size_t channel, int64_t segment, const StopToken& stop) {
  std::unique_lock lock(mutex_);
  const auto all_have = [&] {
    const auto& finished = finished_[channel];
    const size_t count =
        finished.size() > static_cast<size_t>(segment) ? finished[static_cast<size_t>(segment)] : 0;
    return count >= readers_[channel];
  };
  while (!all_have() && !stop.stop_requested()) changed_.wait_for(lock, 100ms);
}

void LoadShared::reader_left(size_t channel) {
  if (options.rate_hz > 0) return;
  const std::lock_guard lock(mutex_);
  --readers_[channel];
  changed_.notify_all();
}

Result<LoadResult> run_load(const LoadOptions& options, const ServerAddress& server, const LoadHooks& hooks,
                            const StopToken& stop) {
  return Load(options, server, stop).run(hooks);
}

}  // namespace trickle::bench
