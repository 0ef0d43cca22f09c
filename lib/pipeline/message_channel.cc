#include "pipeline/message_channel.h"

#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "base/log.h"
#include "io/clock.h"
#include "io/stop.h"
#include "trickle/publisher.h"

namespace trickle::pipeline {
namespace {

constexpr size_t kMostWaiting = 256;
constexpr std::chrono::seconds kRetryDelay{5};
constexpr size_t kBufferBytes = size_t{16} * 1024 * 1024;

class PublisherThread final : public MessageChannel {
 public:
  explicit PublisherThread(MessageChannelOptions options)
      : options_(std::move(options)), thread_([this] { work(); }) {}

  ~PublisherThread() override {
    {
      const std::lock_guard lock(mutex_);
      abandoned_ = true;
      give_up_.request_stop();
      changed_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
  }

  void publish(std::string document) override {
    const std::lock_guard lock(mutex_);
    if (options_.kind == MessageKind::kJsonLines) document += '\n';
    waiting_.push_back(std::move(document));
    if (waiting_.size() > kMostWaiting) {
      waiting_.pop_front();
      if (!std::exchange(dropping_, true)) {
        log::warning("{}documents are dropped: the server does not take them", options_.log_prefix);
      }
    }
    changed_.notify_one();
  }

  void finish() override {
    {
      const std::lock_guard lock(mutex_);
      finishing_ = true;
      hurry_.request_stop();
      changed_.notify_one();
    }
    thread_.join();
  }

  void give_up() override { give_up_.request_stop(); }

 private:
  void work();
  void send(const std::string& document);
  void fail(const Error& error);

  const MessageChannelOptions options_;
  StopSource hurry_;  // Nothing is waited for without end once the stream is over.
  StopSource give_up_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> waiting_;
  bool finishing_ = false;
  bool abandoned_ = false;
  bool dropping_ = false;

  // The thread's own.
  std::unique_ptr<Publisher> publisher_;
  TimePoint retry_at_{};
  std::thread thread_;
};

void PublisherThread::work() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return abandoned_ || finishing_ || !waiting_.empty(); });
    if (abandoned_) return;
    if (waiting_.empty()) break;
    if (!publisher_ && system_clock().now() < retry_at_) {
      if (finishing_) break;
      changed_.wait_until(lock, retry_at_, [this] { return abandoned_ || finishing_; });
      continue;
    }
    const std::string document = std::move(waiting_.front());
    waiting_.pop_front();
    dropping_ = dropping_ && !waiting_.empty();
    lock.unlock();
    send(document);
    lock.lock();
  }
  lock.unlock();
  if (!publisher_) return;
  if (auto finished = publisher_->finish(); !finished) fail(finished.error());
}

void PublisherThread::send(const std::string& document) {
  if (!publisher_) {
    PublisherOptions wanted;
    wanted.url = options_.url;
    wanted.connection = options_.connection;
    const bool lines = options_.kind == MessageKind::kJsonLines;
    wanted.content_type = lines ? "application/jsonl" : "application/json";
    wanted.on_lag = OnLag::kBlock;  // It is publish() that drops.
    wanted.buffer_bytes = kBufferBytes;
    wanted.stop_fd = hurry_.token().fd();
    wanted.give_up_fd = give_up_.token().fd();
    auto opened = Publisher::open(std::move(wanted));
    if (!opened) return fail(opened.error());
    publisher_ = *std::move(opened);
  }
  if (auto published = publisher_->publish(document); !published) fail(published.error());
}

void PublisherThread::fail(const Error& error) {
  log::warning("{}{}", options_.log_prefix, error.to_string());
  publisher_.reset();
  retry_at_ = system_clock().now() + kRetryDelay;
}

}  // namespace

std::unique_ptr<MessageChannel> MessageChannel::start(MessageChannelOptions options) {
  return std::make_unique<PublisherThread>(std::move(options));
}

}  // namespace trickle::pipeline
