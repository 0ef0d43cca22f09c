#include "worker/warm_pool.h"

#include <fcntl.h>

#include <algorithm>
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
using pipeline::WarmChain;

// Not while the stream that took the last ones is starting, too.
constexpr std::chrono::seconds kAfterTaking{2};
constexpr std::chrono::seconds kAfterFailure{10};

enum class Fit { kNone, kWithSettings, kExact };

Fit fit_of(const StagePlan& kept, const StagePlan& wanted) {
  if (kept.program != wanted.program || kept.environment != wanted.environment ||
      kept.has_control != wanted.has_control || kept.tells_events != wanted.tells_events) {
    return Fit::kNone;
  }
  if (kept.arguments == wanted.arguments) return Fit::kExact;
  return kept.arguments == wanted.spare_arguments ? Fit::kWithSettings : Fit::kNone;
}

}  // namespace

struct WarmPool::Entry {
  Entry(boost::asio::io_context& io, std::vector<StagePlan> its_plans)
      : plans(std::move(its_plans)), timer(io) {}

  std::vector<StagePlan> plans;
  std::vector<std::unique_ptr<Stage>> stages;  // As many as plans, or none.
  std::vector<Pipe> joints;                    // Before, between and after them.
  std::function<void(std::optional<std::string>)> on_settled;
  boost::asio::steady_timer timer;
};

class WarmPool::Impl : public std::enable_shared_from_this<WarmPool::Impl> {
 public:
  Impl(boost::asio::io_context& io, std::filesystem::path directory, pipeline::ChildLimits limits)
      : io_(io), directory_(std::move(directory)), limits_(limits) {}

  void keep(const std::vector<StagePlan>& filters,
            std::function<void(std::optional<std::string>)> on_settled) {
    Entry& entry = entries_.emplace_back(io_, filters);
    entry.on_settled = std::move(on_settled);
    launch(entry);
  }

  WarmChain take(const std::vector<StagePlan>& stages) {
    Entry* best = nullptr;
    int best_score = 0;
    for (Entry& entry : entries_) {
      const int score = score_of(entry, stages);
      if (score > best_score) best = &entry;
      best_score = std::max(score, best_score);
    }
    if (best == nullptr) return {};
    WarmChain taken;
    taken.joints = std::move(best->joints);
    taken.stages.resize(stages.size());
    for (size_t i = 0; i < best->stages.size(); ++i) {
      const Fit fit = fit_of(best->plans[i], stages[i + 1]);
      if (fit == Fit::kNone || best->stages[i]->exit()) continue;
      if (fit == Fit::kWithSettings && !stages[i + 1].spare_settings.empty())
        best->stages[i]->control(stages[i + 1].spare_settings);
      taken.stages[i + 1] = std::move(best->stages[i]);
    }
    clear(*best);
    launch_after(*best, kAfterTaking);
    return taken;
  }

  void send_signal(int signal) {
    for (Entry& entry : entries_) {
      for (const auto& stage : entry.stages) stage->send_signal(signal);
    }
  }

  [[nodiscard]] Numbers numbers() const {
    Numbers numbers;
    for (const Entry& entry : entries_) {
      const auto is_ready = [&](size_t i) {
        return !entry.stages[i]->exit() && (entry.stages[i]->ready() || !entry.plans[i].tells_ready);
      };
      bool ready = entry.stages.size() == entry.plans.size();
      for (size_t i = 0; ready && i < entry.stages.size(); ++i) ready = is_ready(i);
      ++numbers.kept;
      if (ready) ++numbers.ready;
    }
    return numbers;
  }

  void abandon() { entries_.clear(); }

 private:
  // How much of a chain is there already; a model that is loaded counts for more than the rest.
  static int score_of(const Entry& entry, const std::vector<StagePlan>& stages) {
    if (entry.stages.empty() || entry.stages.size() + 2 != stages.size()) return 0;
    int score = 0;
    for (size_t i = 0; i < entry.stages.size(); ++i) {
      if (entry.stages[i]->exit()) continue;
      const Fit fit = fit_of(entry.plans[i], stages[i + 1]);
      const bool has_work = entry.plans[i].tells_ready;
      // One that has loaded something waits for a stream that wants just that.
      const bool is_special = has_work && entry.plans[i].arguments != entry.plans[i].spare_arguments;
      if (is_special && fit != Fit::kExact) return 0;
      if (fit == Fit::kExact) score += has_work ? 10 : 2;
      if (fit == Fit::kWithSettings) score += has_work ? 3 : 1;
    }
    return score;
  }

  static void clear(Entry& entry) {
    entry.stages.clear();
    entry.joints.clear();
  }

  void launch(Entry& entry) {
    clear(entry);
    if (const auto started = start(entry); !started) fail(entry, started.error().to_string());
  }

  Result<void> start(Entry& entry) {
    for (size_t i = 0; i <= entry.plans.size(); ++i) {
      TRICKLE_TRY_ASSIGN(Pipe joint, make_pipe());
      grow_pipe(joint.write_end.get(), pipeline::kJointBytes);
      entry.joints.push_back(std::move(joint));
    }
    for (size_t i = 0; i < entry.plans.size(); ++i) {
      pipeline::StageStart start;
      start.log = log::StreamLog("", "warm: ");
      start.limits = limits_;
      start.program_directory = directory_;
      // Copies: one of these processes may yet be replaced by another.
      TRICKLE_TRY_ASSIGN(start.standard_input, copy_of(entry.joints[i].read_end));
      TRICKLE_TRY_ASSIGN(start.standard_output, copy_of(entry.joints[i + 1].write_end));
      start.on_ready = [&entry] { settle(entry, std::nullopt); };
      start.on_exit = [this, &entry, i] { fail(entry, entry.stages[i]->describe_exit()); };
      TRICKLE_TRY_ASSIGN(auto stage, Stage::start(io_, entry.plans[i], std::move(start)));
      entry.stages.push_back(std::move(stage));
    }
    return {};
  }

  static Result<UniqueFd> copy_of(const UniqueFd& fd) {
    UniqueFd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
    if (copy) return copy;
    return unexpected(ErrorKind::kIo, "can't copy a descriptor: too many are open");
  }

  // One that has ended is left where it is until the next ones are started: it may be on the stack.
  void fail(Entry& entry, const std::string& why) {
    log::error("warm: {}; trying again in {} s", why, kAfterFailure.count());
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
void WarmPool::keep(const std::vector<StagePlan>& filters,
                    std::function<void(std::optional<std::string>)> on_settled) {
  impl_->keep(filters, std::move(on_settled));
}
WarmChain WarmPool::take(const std::vector<StagePlan>& stages) { return impl_->take(stages); }
WarmPool::Numbers WarmPool::numbers() const { return impl_->numbers(); }
void WarmPool::send_signal(int signal) { impl_->send_signal(signal); }

}  // namespace trickle::worker
