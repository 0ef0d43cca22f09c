// Publisher: the rules of PublisherState on real connections, driven by a thread of its own.
#include "trickle/publisher.h"

#include <fmt/format.h>
#include <poll.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "base/try.h"
#include "http/client.h"
#include "http/url.h"
#include "io/stop.h"
#include "trickle/answer.h"
#include "trickle/clients.h"
#include "trickle/publisher_control.h"
#include "trickle/publisher_state.h"

namespace trickle {
namespace {

using SegmentId = PublisherState::SegmentId;

// An answer that is complete but whose connection isn't free yet is waited for so long.
constexpr std::chrono::seconds kLinger{2};

class PublisherImpl final : public Publisher {
 public:
  PublisherImpl(PublisherOptions options, http::Url url, const Clock& clock)
      : options_(std::move(options)),
        url_(std::move(url)),
        clock_(clock),
        client_(options_.connection, clock),
        state_(options_, url_.display(), clock),
        control_(client_, url_, options_.content_type, clock, state_),
        thread_([this] { run(); }) {}

  ~PublisherImpl() override {
    abandoned_ = true;
    client_.wake();
    if (thread_.joinable()) thread_.join();
  }

  Result<void> begin_segment() override;
  Result<void> write(std::span<const std::byte> bytes) override;
  Result<void> end_segment() override;
  Result<void> finish() override;
  [[nodiscard]] std::optional<Error> failure() const override {
    const std::lock_guard lock(mutex_);
    return state_.error();
  }
  [[nodiscard]] int failure_fd() const override { return failed_.token().fd(); }
  [[nodiscard]] PublisherTotals totals() const override {
    const std::lock_guard lock(mutex_);
    return state_.totals();
  }

 private:
  // The body of one POST: reads from the state under its lock.
  class Body final : public http::UploadSource {
   public:
    Body(PublisherImpl& publisher, SegmentId id) : publisher_(publisher), id_(id) {}
    size_t read(std::span<std::byte> buffer) override {
      const std::lock_guard lock(publisher_.mutex_);
      const size_t size = publisher_.state_.read(id_, buffer);
      if (size != kEnd && size != kNotYet) publisher_.room_.notify_all();
      return size;
    }

   private:
    PublisherImpl& publisher_;
    SegmentId id_;
  };
  struct OpenPost {
    int attempt;
    std::unique_ptr<Body> body;
    std::unique_ptr<http::Transfer>
        transfer;  // Before its body goes, so that nothing reads from that any more.
    bool judged = false;
  };
  struct Lingering {
    std::unique_ptr<Body> body;
    std::unique_ptr<http::Transfer> transfer;
    TimePoint until;
  };
  using Lock = std::unique_lock<std::mutex>;

  template <typename Room>
  Result<void> wait_for_room(Lock& lock, Room room);
  Result<void> failed(const Lock&) const { return unexpected(*state_.error()); }

  void run();
  void open_posts();
  void judge_posts();
  void close_posts();

  const PublisherOptions options_;
  const http::Url url_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable room_;
  http::Client client_;
  PublisherState state_;  ///< Guarded by mutex_.

  // The thread's own.
  std::map<SegmentId, OpenPost> posts_;
  std::vector<Lingering> lingering_;
  PublisherControl control_;

  StopSource failed_;
  std::atomic<bool> abandoned_{false};
  std::thread thread_;
};

// The writer's side.

template <typename Room>
Result<void> PublisherImpl::wait_for_room(Lock& lock, Room room) {
  while (true) {
    if (state_.error()) return failed(lock);
    switch (room()) {
      case PublisherState::Room::kYes:
        return {};
      case PublisherState::Room::kFail:
        return failed(lock);
      case PublisherState::Room::kWait:
        room_.wait(lock);
        break;
    }
  }
}

Result<void> PublisherImpl::begin_segment() {
  Lock lock(mutex_);
  if (state_.has_open_segment()) {
    state_.end_segment();
    client_.wake();
  }
  TRICKLE_TRY(wait_for_room(lock, [this] { return state_.room_for_segment(); }));
  state_.begin_segment();
  return {};
}

Result<void> PublisherImpl::write(std::span<const std::byte> bytes) {
  if (bytes.empty()) return {};
  bool begin = false;
  {
    const std::lock_guard lock(mutex_);
    begin = !state_.has_open_segment();
  }
  if (begin) TRICKLE_TRY(begin_segment());
  Lock lock(mutex_);
  TRICKLE_TRY(wait_for_room(lock, [&] { return state_.room_for_bytes(bytes.size()); }));
  state_.append(bytes);
  lock.unlock();
  client_.wake();
  return {};
}

Result<void> PublisherImpl::end_segment() {
  const std::lock_guard lock(mutex_);
  if (state_.error()) return unexpected(*state_.error());
  if (state_.has_open_segment()) state_.end_segment();
  client_.wake();
  return {};
}

Result<void> PublisherImpl::finish() {
  {
    const std::lock_guard lock(mutex_);
    state_.close();
  }
  client_.wake();
  thread_.join();
  const PublisherTotals totals = state_.totals();
  if (state_.error()) {
    const uint64_t missing = totals.accepted_bytes - totals.acknowledged_bytes;
    if (missing == 0) return unexpected(*state_.error());
    return unexpected(
        Error(state_.error()->kind(),
              fmt::format("{} of {} bytes were not acknowledged", missing, totals.accepted_bytes),
              *state_.error()));
  }
  if (totals.lost_bytes == 0) return {};
  return unexpected(ErrorKind::kIo, fmt::format("{} of {} bytes were not acknowledged", totals.lost_bytes,
                                                totals.accepted_bytes));
}

// The thread's side.

void PublisherImpl::run() {
  bool hurried = false;
  while (!abandoned_) {
    std::optional<TimePoint> deadline;
    {
      const std::lock_guard lock(mutex_);
      state_.tick();
      control_.judge();
      judge_posts();
      close_posts();
      open_posts();
      control_.start();
      room_.notify_all();
      if (state_.finished()) break;
      deadline = state_.deadline();
      if (const auto late = control_.deadline()) deadline = std::min(deadline.value_or(*late), *late);
    }
    for (auto& [id, post] : posts_) {
      bool wanted = false;
      {
        const std::lock_guard lock(mutex_);
        wanted = state_.has_bytes_for(id);
      }
      if (wanted) post.transfer->resume_upload();
    }
    if (!lingering_.empty())
      deadline = std::min(deadline.value_or(TimePoint::max()), lingering_.front().until);
    std::array<pollfd, 2> watched{
        {{hurried ? -1 : options_.stop_fd, POLLIN, 0}, {options_.give_up_fd, POLLIN, 0}}};
    client_.wait(deadline, watched);
    if (watched[0].revents != 0) {
      hurried = true;
      const std::lock_guard lock(mutex_);
      state_.hurry();
    }
    if (watched[1].revents != 0) {
      const std::lock_guard lock(mutex_);
      state_.give_up();
    }
  }
  posts_.clear();
  lingering_.clear();
  control_.abandon();
  const std::lock_guard lock(mutex_);
  if (state_.error()) failed_.request_stop();
  room_.notify_all();
}

void PublisherImpl::open_posts() {
  for (const PublisherState::Post& wanted : state_.posts()) {
    const auto known = posts_.find(wanted.id);
    if (known != posts_.end() && known->second.attempt == wanted.attempt) continue;
    if (known != posts_.end()) posts_.erase(known);
    OpenPost post{wanted.attempt, std::make_unique<Body>(*this, wanted.id), nullptr};
    auto start = channel_request("POST", url_, std::to_string(wanted.number));
    start.headers.emplace_back("Content-Type", options_.content_type);
    if (wanted.reset) start.headers.emplace_back("Lp-Trickle-Reset", "1");
    start.body = post.body.get();
    // The first carries data at once, and one that failed is not to fail like that again; all others are
    // connected ahead, and a connection that ends shows that before there is data for it.
    start.fresh_connection = wanted.reset || wanted.attempt > 0;
    post.transfer = client_.start(start);
    posts_.emplace(wanted.id, std::move(post));
  }
}

void PublisherImpl::judge_posts() {
  for (auto& [id, post] : posts_) {
    if (post.judged) continue;
    if (const auto* head = post.transfer->head()) {
      post.judged = true;
      state_.on_post_answer(id, read_answer(*head));
    } else if (post.transfer->done()) {
      post.judged = true;
      const auto failure = *post.transfer->failure();
      state_.on_post_failure(id, located(url_, failure.error), failure.retryable);
    }
  }
}

// A POST whose segment is over is closed; one that was answered in full may end by itself, so that its
// connection can be used again.
void PublisherImpl::close_posts() {
  const TimePoint now = clock_.now();
  std::erase_if(lingering_,
                [&](const Lingering& post) { return post.transfer->done() || now >= post.until; });
  for (auto post = posts_.begin(); post != posts_.end();) {
    if (state_.is_wanted(post->first)) {
      ++post;
      continue;
    }
    if (post->second.judged && post->second.transfer->head() != nullptr && !post->second.transfer->done()) {
      lingering_.push_back({std::move(post->second.body), std::move(post->second.transfer), now + kLinger});
    }
    post = posts_.erase(post);
  }
}

}  // namespace

Result<std::unique_ptr<Publisher>> open_publisher(PublisherOptions options, const Clock& clock) {
  TRICKLE_TRY_ASSIGN(http::Url url, http::Url::parse(options.url));
  if (options.connection.insecure) log::warning("certificates are not verified (--insecure)");
  return std::unique_ptr<Publisher>(
      std::make_unique<PublisherImpl>(std::move(options), std::move(url), clock));
}

Result<std::unique_ptr<Publisher>> Publisher::open(PublisherOptions options) {
  return open_publisher(std::move(options), system_clock());
}

Result<void> Publisher::publish(std::string_view message) {
  TRICKLE_TRY(begin_segment());
  TRICKLE_TRY(write(std::as_bytes(std::span(message))));
  return end_segment();
}

}  // namespace trickle
