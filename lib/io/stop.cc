#include "io/stop.h"

#include <sys/eventfd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <system_error>

namespace trickle {

struct StopToken::State {
  State() : event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!event) throw std::system_error(errno, std::generic_category(), "eventfd");
  }
  UniqueFd event;
  mutable std::atomic<bool> requested{false};
};

bool StopToken::stop_requested() const { return state_ && state_->requested.load(std::memory_order_acquire); }

int StopToken::fd() const { return state_ ? state_->event.get() : -1; }

StopSource::StopSource() : state_(std::make_shared<const StopToken::State>()) {}

void StopSource::request_stop() const noexcept {
  if (state_->requested.exchange(true, std::memory_order_acq_rel)) return;
  const int saved_errno = errno;
  const uint64_t one = 1;
  // An eventfd of ours that was never written can't be full.
  [[maybe_unused]] const ssize_t n = ::write(state_->event.get(), &one, sizeof one);
  errno = saved_errno;
}

StopToken StopSource::token() const { return StopToken(state_); }

namespace {

constexpr int kExitInterruptedTwice = 130;

// Never destroyed: a signal may arrive while static objects are.
const StopSource* signal_source = nullptr;

extern "C" void on_stop_signal(int) {
  if (signal_source->token().stop_requested()) ::_exit(kExitInterruptedTwice);
  signal_source->request_stop();
}

}  // namespace

StopToken stop_on_signals() {
  if (signal_source == nullptr) {
    signal_source = new StopSource();
    struct sigaction action {};
    action.sa_handler = on_stop_signal;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, nullptr);
  }
  return signal_source->token();
}

}  // namespace trickle
