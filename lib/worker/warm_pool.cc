#include "worker/warm_pool.h"

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <list>
#include <utility>

#include "base/log.h"
#include "base/try.h"
#include "io/fd_io.h"

namespace trickle::worker {
namespace {

using pipeline::Stage;
using pipeline::StagePlan;
using pipeline::WarmStage;

// Not while the stream that took the last one is starting, too.
constexpr std::chrono::seconds kAfterTaking{2};
constexpr std::chrono::seconds kAfterFailure{10};

// Only a process that is kept tells when it is ready.
bool is_same(const StagePlan& kept, StagePlan wanted) {
  wanted.tells_ready = kept.tells_ready;
  return kept == wanted;
}

}  // namespace

struct WarmPool::Entry {
  Entry(boost::asio::io_context& io, StagePlan its_plan) : plan(std::move(its_plan)), timer(io) {}

  StagePlan plan;
  WarmStage warm;
  bool ready = false;
  std::function<void(std::optional<std::string>)> on_settled;
  boost::asio::steady_timer timer;
};

class WarmPool::Impl : public std::enable_shared_from_this<WarmPool::Impl> {
 public:
  Impl(boost::asio::io_context& io, std::filesystem::path directory, pipeline::ChildLimits limits)
      : io_(io), directory_(std::move(directory)), limits_(limits) {}

  void keep(const StagePlan& plan, std::function<void(std::optional<std::string>)> on_settled) {
    Entry& entry = entries_.emplace_back(io_, plan);
    entry.on_settled = std::move(on_settled);
    launch(entry);
  }

  std::optional<WarmStage> take(const StagePlan& plan) {
    for (Entry& entry : entries_) {
      if (!is_same(entry.plan, plan) || !entry.warm.stage || entry.warm.stage->exit()) continue;
      std::optional<WarmStage> taken(std::move(entry.warm));
      entry.warm = {};
      entry.ready = false;
      launch_after(entry, kAfterTaking);
      return taken;
    }
    return std::nullopt;
  }

  [[nodiscard]] size_t ready() const {
    size_t count = 0;
    for (const Entry& entry : entries_) count += entry.ready ? 1 : 0;
    return count;
  }
  [[nodiscard]] size_t size() const { return entries_.size(); }

  void abandon() { entries_.clear(); }

 private:
  void launch(Entry& entry) {
    if (const auto started = start(entry); !started) fail(entry, started.error().to_string());
  }

  Result<void> start(Entry& entry) {
    TRICKLE_TRY_ASSIGN(Pipe input, make_pipe());
    TRICKLE_TRY_ASSIGN(Pipe output, make_pipe());
    pipeline::StageStart start;
    start.log = log::StreamLog("", "warm: ");
    start.limits = limits_;
    start.program_directory = directory_;
    start.standard_input = std::move(input.read_end);
    start.standard_output = std::move(output.write_end);
    start.on_ready = [&entry] {
      entry.ready = true;
      settle(entry, std::nullopt);
    };
    start.on_exit = [this, &entry] { fail(entry, entry.warm.stage->describe_exit()); };
    TRICKLE_TRY_ASSIGN(entry.warm.stage, Stage::start(io_, entry.plan, std::move(start)));
    entry.warm.input = std::move(input.write_end);
    entry.warm.output = std::move(output.read_end);
    return {};
  }

  void fail(Entry& entry, const std::string& why) {
    log::error("warm: {}; trying again in {} s", why, kAfterFailure.count());
    entry.ready = false;
    settle(entry, why);
    launch_after(entry, kAfterFailure);
  }

  static void settle(Entry& entry, const std::optional<std::string>& failure) {
    if (const auto notify = std::exchange(entry.on_settled, nullptr)) notify(failure);
  }

  void launch_after(Entry& entry, std::chrono::seconds delay) {
    entry.timer.expires_after(delay);
    // A timer that dies with its entry calls with a failure; but what it has already posted may come later.
    entry.timer.async_wait([&entry, pool = weak_from_this()](const boost::system::error_code& failure) {
      const auto self = pool.lock();
      if (!failure && self && !self->entries_.empty()) self->launch(entry);
    });
  }

  boost::asio::io_context& io_;
  std::filesystem::path directory_;
  pipeline::ChildLimits limits_;
  std::list<Entry> entries_;  // Callbacks hold references.
};

WarmPool::WarmPool(boost::asio::io_context& io, std::filesystem::path program_directory,
                   pipeline::ChildLimits limits)
    : impl_(std::make_shared<Impl>(io, std::move(program_directory), limits)) {}
WarmPool::~WarmPool() { impl_->abandon(); }
void WarmPool::keep(const StagePlan& plan, std::function<void(std::optional<std::string>)> on_settled) {
  impl_->keep(plan, std::move(on_settled));
}
std::optional<WarmStage> WarmPool::take(const StagePlan& plan) { return impl_->take(plan); }
size_t WarmPool::ready() const { return impl_->ready(); }
size_t WarmPool::size() const { return impl_->size(); }

}  // namespace trickle::worker
