#include "pipeline/control_reader.h"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/try.h"
#include "io/stop.h"
#include "trickle/subscriber.h"

namespace trickle::pipeline {
namespace {

constexpr std::chrono::seconds kRetryDelay{5};
constexpr std::chrono::hours kForEver{24 * 365};

class ReaderThread final : public ControlReader {
 public:
  ReaderThread(ControlReaderOptions options, std::function<void(const std::string&)> on_document)
      : options_(std::move(options)), on_document_(std::move(on_document)), thread_([this] { work(); }) {}

  ~ReaderThread() override {
    {
      const std::lock_guard lock(mutex_);
      stop_.request_stop();
      stopped_.notify_one();
    }
    thread_.join();
  }

 private:
  void work();
  Result<void> read_all(const char* start);

  const ControlReaderOptions options_;
  std::function<void(const std::string&)> on_document_;
  StopSource stop_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  std::thread thread_;
};

void ReaderThread::work() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  // What came before we were there counts; what stands in the channel later on has been applied.
  const char* start = "oldest";
  while (true) {
    const Result<void> result = read_all(start);
    start = "next";
    if (result || stop_.token().stop_requested()) return;
    log::warning("{}{}; trying again in {} s", options_.log_prefix, result.error().to_string(),
                 kRetryDelay.count());
    std::unique_lock lock(mutex_);
    if (stopped_.wait_for(lock, kRetryDelay, [this] { return stop_.token().stop_requested(); })) return;
  }
}

Result<void> ReaderThread::read_all(const char* start) {
  SubscriberOptions wanted;
  wanted.url = options_.url;
  wanted.connection = options_.connection;
  wanted.connection.retries = std::nullopt;
  wanted.start = start;
  wanted.wait_for_channel = kForEver;
  wanted.stop_fd = stop_.token().fd();
  TRICKLE_TRY_ASSIGN(const auto subscriber, Subscriber::open(std::move(wanted)));
  while (true) {
    TRICKLE_TRY_ASSIGN(const std::optional<SubscriberSegment> segment, subscriber->read_segment());
    if (!segment) return {};
    if (segment->complete) on_document_(segment->bytes);
  }
}

}  // namespace

std::unique_ptr<ControlReader> ControlReader::start(ControlReaderOptions options,
                                                    std::function<void(const std::string&)> on_document) {
  return std::make_unique<ReaderThread>(std::move(options), std::move(on_document));
}

}  // namespace trickle::pipeline
