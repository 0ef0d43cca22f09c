#include "bench/load_subscribers.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/try.h"

namespace trickle::bench {
namespace {

constexpr size_t kBufferBytes = 256 * 1024;
constexpr int kStalledBufferBytes = 4096;
constexpr int kTickMs = 50;
// Thousands of readers ask for the next segment at the moment in which its predecessor begins. They do it
// when nothing is there to be read, so that the delay that is measured is the server's and not that of this
// loop, but soon enough for the segment.
constexpr auto kAskWithin = std::chrono::milliseconds(50);
constexpr int kAsksAtOnce = 16;
constexpr int64_t kTooFarAhead = 100000;  // Segments that no server here has: its answer is wrong.

}  // namespace

// Two connections that take turns: one is read while the other waits for the segment after it.
class Subscribers::Subscriber {
 public:
  Subscriber(Subscribers& owner, size_t channel) : owner_(owner), channel_(channel) {
    for (Link& link : links_) link.subscriber = this;
  }

  struct Link {
    Subscriber* subscriber = nullptr;
    UniqueFd fd;
    AnswerReader answer;
    SegmentChecker segment;
    int64_t number = -1;  ///< Asked for, or being read.
    bool busy = false;
    bool began = false;  ///< Its head has come.
    bool dead = false;   ///< To be closed once its answer has ended.

    void on_head(const AnswerHead& head) { subscriber->take_head(*this, head); }
    void on_body(std::span<const char> bytes) { subscriber->take_body(*this, bytes); }
    void on_end() { subscriber->take_end(*this); }
  };

  Result<void> ask(Link& link, int64_t number);
  Result<void> start() { return ask(links_[0], 0); }
  void ask_for_next();
  void read(Link& link);

  size_t channel() const { return channel_; }
  uint64_t received_bytes() const { return received_bytes_; }
  uint64_t wrong_bytes() const { return wrong_bytes_; }
  bool was_cut() const { return cut_; }

 private:
  void take_head(Link& link, const AnswerHead& head);
  void take_body(Link& link, std::span<const char> bytes);
  void take_end(Link& link);
  void closed(Link& link);
  void leave();

  Subscribers& owner_;
  size_t channel_;
  std::array<Link, 2> links_;
  int64_t wanted_ = 0;     ///< The segment to ask for next.
  int64_t requested_ = 0;  ///< The highest asked for.
  uint64_t received_bytes_ = 0;
  uint64_t wrong_bytes_ = 0;
  TimePoint now_;  ///< Of the last receive.
  bool cut_ = false;
  bool left_ = false;
};

Result<void> Subscribers::Subscriber::ask(Link& link, int64_t number) {
  if (!link.fd) {
    TRICKLE_TRY_ASSIGN(link.fd, connect_to(owner_.shared_.server, Blocking::kNo));
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
    event.data.ptr = &link;
    ::epoll_ctl(owner_.epoll_.get(), EPOLL_CTL_ADD, link.fd.get(), &event);
  }
  link.number = requested_ = number;
  link.busy = true;
  link.began = false;
  return send_all(link.fd.get(),
                  fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", owner_.shared_.path(channel_, number),
                              owner_.shared_.server.authority));
}

void Subscribers::Subscriber::read(Link& link) {
  while (link.fd) {
    const ssize_t received = ::recv(link.fd.get(), owner_.buffer_.data(), owner_.buffer_.size(), 0);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0 && errno == EAGAIN) return;
    if (received <= 0) return closed(link);
    now_ = system_clock().now();
    const std::string_view bytes(owner_.buffer_.data(), static_cast<size_t>(received));
    if (!link.answer.feed(bytes, link)) return closed(link);
    // A stream socket that gave less than was asked for is empty; epoll(7) tells of what comes later.
    if (bytes.size() < owner_.buffer_.size()) return;
  }
}

void Subscribers::Subscriber::take_head(Link& link, const AnswerHead& head) {
  link.dead = !head.keeps_alive;
  link.began = true;
  if (head.closed || head.status == 404) return leave();
  if (head.status == 470 && head.latest > link.number) {
    cut_ = true;  // It fell behind the window, and nobody is to wait for it there.
    if (head.latest - link.number > kTooFarAhead) return leave();
    owner_.shared_.segments_read(channel_, link.number + 1, head.latest - 1);
    wanted_ = head.latest;
    return;
  }
  if (head.status != 200) {
    cut_ = true;
    return leave();
  }
  link.number = head.segment;
  link.segment.begin(static_cast<uint32_t>(channel_), head.segment);
  if (!owner_.shared_.options.preconnect) return;
  wanted_ = std::max(wanted_, head.segment + 1);
  owner_.asking_.emplace_back(this, now_);
}

void Subscribers::Subscriber::take_body(Link& link, std::span<const char> bytes) {
  if (left_) return;
  link.segment.take(owner_.shared_.pattern, bytes, now_, owner_.delays_);
  received_bytes_ += bytes.size();
  owner_.shared_.bytes_received.fetch_add(bytes.size(), std::memory_order_relaxed);
}

void Subscribers::Subscriber::take_end(Link& link) {
  wrong_bytes_ += link.segment.wrong_bytes();
  owner_.shared_.segments_read(channel_, link.number, link.number);
  wanted_ = std::max(wanted_, link.number + 1);
  link.segment.begin(static_cast<uint32_t>(channel_), -1);
  link.busy = false;
  if (link.dead) {
    link.fd.reset();
    link.answer.reset();
  }
  ask_for_next();
}

void Subscribers::Subscriber::ask_for_next() {
  if (left_ || requested_ >= wanted_) return;
  for (Link& link : links_) {
    if (link.busy) continue;
    if (!ask(link, wanted_)) {
      cut_ = true;
      leave();
    }
    return;
  }
}

void Subscribers::Subscriber::closed(Link& link) {
  link.fd.reset();
  link.answer.reset();
  if (!link.busy || left_) return;
  link.busy = false;
  // Without an answer yet it is asked again; in the middle of one the rest of the segment is lost.
  if (link.began) {
    cut_ = true;
    return take_end(link);
  }
  if (!ask(link, link.number)) leave();
}

void Subscribers::Subscriber::leave() {
  if (std::exchange(left_, true)) return;
  owner_.shared_.reader_left(channel_);
}

Subscribers::Subscribers(LoadShared& shared)
    : shared_(shared), epoll_(::epoll_create1(EPOLL_CLOEXEC)), buffer_(kBufferBytes) {}

Subscribers::~Subscribers() = default;

Result<void> Subscribers::add(size_t channel, bool stalled) {
  if (!stalled) {
    shared_.reader_joined(channel);
    subscribers_.push_back(std::make_unique<Subscriber>(*this, channel));
    return subscribers_.back()->start();
  }
  TRICKLE_TRY_ASSIGN(UniqueFd fd, connect_to(shared_.server, Blocking::kYes, kStalledBufferBytes));
  TRICKLE_TRY(send_all(fd.get(), fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", shared_.path(channel, 0),
                                             shared_.server.authority)));
  stalled_.push_back(std::move(fd));
  return {};
}

void Subscribers::ask_due() {
  for (int i = 0; i < kAsksAtOnce && !asking_.empty(); ++i) {
    Subscriber* const subscriber = asking_.front().first;
    asking_.pop_front();
    subscriber->ask_for_next();
  }
}

void Subscribers::run() {
  std::array<epoll_event, 128> events;
  while (!shared_.stopping) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                   asking_.empty() ? kTickMs : 0);
    if (!asking_.empty() && (count == 0 || system_clock().now() > asking_.front().second + kAskWithin))
      ask_due();
    for (int i = 0; i < count; ++i) {
      auto* link = static_cast<Subscriber::Link*>(events[static_cast<size_t>(i)].data.ptr);
      link->subscriber->read(*link);
    }
  }
}

Subscribers::Totals Subscribers::totals() const {
  Totals totals;
  totals.delays = delays_;
  for (const auto& subscriber : subscribers_) {
    totals.received_bytes.push_back(subscriber->received_bytes());
    totals.wrong_bytes += subscriber->wrong_bytes();
    totals.cut += subscriber->was_cut();
  }
  return totals;
}

std::vector<size_t> Subscribers::channels() const {
  std::vector<size_t> channels;
  for (const auto& subscriber : subscribers_) channels.push_back(subscriber->channel());
  return channels;
}

}  // namespace trickle::bench
