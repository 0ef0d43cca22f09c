// The event loop around curl's multi interface. It polls by itself (curl_multi_socket_action) and not through
// curl_multi_poll, because curl 7.88 does not notice that a server closed the connection of a paused upload.
#include "http/client.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <stdexcept>
#include <system_error>

#include "base/log.h"
#include "http/curl_transfer.h"
#include "io/unique_fd.h"

namespace trickle::http {
namespace {

struct MultiDeleter {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
using MultiHandle = std::unique_ptr<CURLM, MultiDeleter>;

void init_curl_once() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (code != CURLE_OK) throw std::runtime_error(curl_easy_strerror(code));
}

}  // namespace

struct Client::State {
  State(ConnectionOptions connection, const Clock& time) : options(std::move(connection)), clock(time) {
    init_curl_once();
    shared.clock = &clock;
    multi.reset(curl_multi_init());
    shared.multi = multi.get();
    wake_event.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!multi || !wake_event) throw std::system_error(errno, std::generic_category(), "curl_multi_init");
    curl_multi_setopt(multi.get(), CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi.get(), CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi.get(), CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi.get(), CURLMOPT_TIMERDATA, this);
  }

  static int on_socket(CURL*, curl_socket_t fd, int what, void* data, void*) {
    auto* state = static_cast<State*>(data);
    if (what == CURL_POLL_REMOVE) {
      state->sockets.erase(fd);
      return 0;
    }
    state->sockets[fd] = static_cast<short>(((what & CURL_POLL_IN) != 0 ? POLLIN : 0) |
                                            ((what & CURL_POLL_OUT) != 0 ? POLLOUT : 0));
    return 0;
  }

  static int on_timer(CURLM*, long timeout_ms, void* data) {
    auto* state = static_cast<State*>(data);
    state->timer = timeout_ms < 0
                       ? std::nullopt
                       : std::optional(system_clock().now() + std::chrono::milliseconds(timeout_ms));
    return 0;
  }

  // \return true when something may have happened.
  bool run_timer() {
    if (!timer || system_clock().now() < *timer) return false;
    timer.reset();
    int running = 0;
    curl_multi_socket_action(multi.get(), CURL_SOCKET_TIMEOUT, 0, &running);
    return true;
  }

  void run_socket(const pollfd& ready) {
    if (!sockets.contains(ready.fd)) return;  // Closed while the one before was dealt with.
    int mask = 0;
    if ((ready.revents & (POLLIN | POLLHUP)) != 0) mask |= CURL_CSELECT_IN;
    if ((ready.revents & POLLOUT) != 0) mask |= CURL_CSELECT_OUT;
    if ((ready.revents & (POLLERR | POLLNVAL)) != 0) mask |= CURL_CSELECT_ERR;
    int running = 0;
    curl_multi_socket_action(multi.get(), ready.fd, mask, &running);
    take_results();
  }

  [[nodiscard]] bool is_live(CurlTransfer* transfer) const { return shared.live.contains(transfer); }

  void take_results() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      if (auto* transfer = CurlTransfer::of(message->easy_handle)) transfer->on_done(message->data.result);
    }
  }

  int poll_timeout_ms(std::optional<TimePoint> deadline) const {
    std::optional<Duration> left;
    if (deadline) left = *deadline - clock.now();
    if (timer) left = std::min(left.value_or(Duration::max()), *timer - system_clock().now());
    if (!left) return -1;
    return static_cast<int>(
        std::clamp<int64_t>(std::chrono::ceil<std::chrono::milliseconds>(*left).count(), 0, 3'600'000));
  }

  ConnectionOptions options;
  const Clock& clock;
  UniqueFd wake_event;
  std::map<int, short> sockets;    ///< What curl waits for.
  std::optional<TimePoint> timer;  ///< curl's own, of the machine's clock.
  std::vector<pollfd> polled;
  CurlShared shared;
  std::vector<CurlTransfer*> uploads;  ///< Those at the end of `polled`.
  MultiHandle multi;                   // Last: its end calls back into the members above.
};

Client::Client(ConnectionOptions options, const Clock& clock)
    : state_(std::make_unique<State>(std::move(options), clock)) {}

Client::~Client() = default;

std::unique_ptr<Transfer> Client::start(const ClientRequest& request) {
  return std::make_unique<CurlTransfer>(state_->shared, state_->options, request);
}

void Client::wait(std::optional<TimePoint> deadline, std::span<pollfd> watched) {
  State& state = *state_;
  // A whole answer may come in here, which the caller has to see before anything is waited for.
  const bool ran = state.run_timer();
  state.take_results();
  auto& polled = state.polled;
  polled.assign({{state.wake_event.get(), POLLIN, 0}});
  polled.insert(polled.end(), watched.begin(), watched.end());
  for (const auto& [fd, events] : state.sockets) {
    // A socket that curl wants nothing of is left alone, or its end would wake us again and again.
    if (events != 0) polled.push_back({fd, events, 0});
  }
  const size_t first_upload = polled.size();
  state.uploads.clear();
  for (CurlTransfer* transfer : state.shared.live) {
    const int fd = transfer->waiting_upload_socket();
    if (fd < 0) continue;
    polled.push_back({fd, POLLRDHUP, 0});
    state.uploads.push_back(transfer);
  }
  const int ready = ::poll(polled.data(), polled.size(), ran ? 0 : state.poll_timeout_ms(deadline));
  if (ready <= 0) {
    for (pollfd& entry : watched) entry.revents = 0;
    state.run_timer();
    state.take_results();
    return;
  }
  if (polled[0].revents != 0) {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t n = ::read(state.wake_event.get(), &count, sizeof count);
  }
  for (size_t i = 0; i < watched.size(); ++i) watched[i].revents = polled[i + 1].revents;
  for (size_t i = 1 + watched.size(); i < first_upload; ++i) {
    if (polled[i].revents != 0) state.run_socket(polled[i]);
  }
  for (size_t i = first_upload; i < polled.size(); ++i) {
    CurlTransfer* transfer = state.uploads[i - first_upload];
    // curl has read all that came before, or it does so in the next round.
    if (polled[i].revents != 0 && state.is_live(transfer)) transfer->on_peer_closed();
  }
  state.run_timer();
  state.take_results();
}

void Client::wake() const {
  const uint64_t one = 1;
  // Only a counter at its limit would refuse, and that wakes as well.
  [[maybe_unused]] const ssize_t n = ::write(state_->wake_event.get(), &one, sizeof one);
}

}  // namespace trickle::http
