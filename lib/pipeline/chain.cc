#include "pipeline/chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <map>
#include <utility>

#include "base/log.h"
#include "base/try.h"
#include "io/fd_io.h"
#include "pipeline/restart_budget.h"

namespace trickle::pipeline {
namespace {

enum class Phase {
  kIdle,      // Not started yet.
  kRunning,   // Also while the rest drains after the end of input.
  kClearing,  // Everything is being ended, for a restart or because the chain has failed.
  kStopping,  // The source was asked to end; the rest drains.
  kEnded,
};

}  // namespace

class Chain::Impl : public std::enable_shared_from_this<Chain::Impl> {
 public:
  Impl(boost::asio::io_context& io, ChainPlanner planner, ChainOptions options, ChainCallbacks callbacks,
       const Clock& clock)
      : io_(io),
        planner_(std::move(planner)),
        options_(std::move(options)),
        callbacks_(std::move(callbacks)),
        clock_(clock),
        budget_(options_.restart_limit, options_.restart_window),
        hang_watch_(options_.hang),
        timer_(io),
        watch_timer_(io) {}

  void start() {
    phase_ = Phase::kRunning;
    launch(false);
    watch();
  }

  void stop();
  void abandon();
  void restart_from_outside(const std::string& reason) {
    if (phase_ == Phase::kRunning && !stages_.empty()) restart(reason);
  }
  void signal_all(int signal) {
    for (const auto& stage : stages_) stage->send_signal(signal);
  }
  void control(const std::string& program, const std::string& line) {
    for (const auto& stage : stages_) {
      if (stage->name() == program) stage->control(line);
    }
  }
  [[nodiscard]] std::vector<StageStatus> status() const;
  [[nodiscard]] uint64_t restarts() const { return restarts_; }
  [[nodiscard]] const std::string& last_error() const { return last_error_; }

 private:
  void launch(bool restarted);
  Result<void> start_stages(const std::vector<StagePlan>& plans);
  StageStart stage_start(size_t index);
  void on_stage_exit(size_t index);
  void judge(size_t index);
  void suspect();
  void settle();
  void watch();
  void look_for_hang();
  void restart(const std::string& reason);
  void fail(std::string reason);
  void clear();
  void on_all_gone();
  void finish(ChainEnd end);

  [[nodiscard]] bool all_gone() const {
    return std::all_of(stages_.begin(), stages_.end(), [](const auto& stage) { return stage->exit(); });
  }
  // One timer at a time: each phase has at most one thing that it waits for besides its children.
  void after(std::chrono::milliseconds delay, void (Impl::*action)()) {
    timer_.expires_after(delay);
    timer_.async_wait([self = shared_from_this(), action](const boost::system::error_code& failure) {
      if (!failure && self->phase_ != Phase::kEnded) (self.get()->*action)();
    });
  }
  void terminate_rest() {
    signal_all(SIGTERM);
    after(options_.kill_delay, &Impl::kill_rest);
  }
  void kill_rest() { signal_all(SIGKILL); }
  void give_up_draining() {
    fail(fmt::format("the chain did not drain within {} s of the end of input",
                     options_.drain_deadline.count()));
  }

  boost::asio::io_context& io_;
  ChainPlanner planner_;
  ChainOptions options_;
  ChainCallbacks callbacks_;
  const Clock& clock_;
  RestartBudget budget_;
  HangWatch hang_watch_;
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer watch_timer_;
  Phase phase_ = Phase::kIdle;
  std::vector<std::unique_ptr<Stage>> stages_;
  std::map<std::string, std::string> timelines_;  // Of the last process of each stage that has one.
  std::map<std::string, StageNumbers> totals_;    // Of the processes that have ended.
  UniqueFd held_input_;                           // Standard input of a first stage that is no source.
  bool ran_before_ = false;
  bool settling_ = false;
  bool stop_requested_ = false;
  std::string early_end_;  // A stage that ended cleanly before the one above it.
  std::string fatal_end_;  // An end that no restart would mend.
  std::string failure_;    // Why the chain is being cleared for good; empty for a restart.
  std::string restart_reason_;
  std::string last_error_;
  uint64_t restarts_ = 0;
};

void Chain::Impl::launch(bool restarted) {
  ran_before_ = restarted;
  settling_ = false;
  early_end_.clear();
  fatal_end_.clear();
  for (const auto& stage : stages_) {
    if (std::string timeline = stage->timeline(); !timeline.empty())
      timelines_[stage->name()] = std::move(timeline);
  }
  stages_.clear();
  hang_watch_.restart();
  const auto plans = planner_(restarted);
  if (const auto started = start_stages(plans); !started) fail(started.error().to_string());
}

Result<void> Chain::Impl::start_stages(const std::vector<StagePlan>& plans) {
  UniqueFd input;
  if (!plans.empty() && plans.front().role != StageRole::kSource) {
    TRICKLE_TRY_ASSIGN(Pipe held, make_pipe());
    input = std::move(held.read_end);
    held_input_ = std::move(held.write_end);
  }
  WarmChain warm;
  if (options_.take_warm) warm = options_.take_warm(plans);
  warm.stages.resize(plans.size());
  while (warm.joints.size() + 1 < plans.size()) {
    TRICKLE_TRY_ASSIGN(Pipe joint, make_pipe());
    grow_pipe(joint.write_end.get(), kJointBytes);
    warm.joints.push_back(std::move(joint));
  }
  // Before anything runs that could give them media.
  for (const auto& stage : warm.stages) {
    if (stage) stage->set_timeline(timelines_[stage->name()]);
  }
  // Our own ends of the joints are closed one by one as they are handed on, and the rest at the end.
  for (size_t i = 0; i < plans.size(); ++i) {
    StageStart start = stage_start(i);
    if (warm.stages[i]) {
      warm.stages[i]->adopt(std::move(start));
      stages_.push_back(std::move(warm.stages[i]));
      continue;
    }
    start.timeline = timelines_[plans[i].program];
    start.standard_input = i > 0 ? std::move(warm.joints[i - 1].read_end) : std::move(input);
    if (i + 1 < plans.size()) start.standard_output = std::move(warm.joints[i].write_end);
    TRICKLE_TRY_ASSIGN(auto stage, Stage::start(io_, plans[i], std::move(start)));
    stages_.push_back(std::move(stage));
  }
  return {};
}

StageStart Chain::Impl::stage_start(size_t index) {
  StageStart start;
  start.log = options_.log;
  start.limits = options_.limits;
  start.program_directory = options_.program_directory;
  start.on_exit = [this, index] { on_stage_exit(index); };
  start.on_numbers = [this] {
    if (callbacks_.on_numbers) callbacks_.on_numbers();
  };
  start.on_event = [this](std::string_view line) {
    if (callbacks_.on_stage_line) callbacks_.on_stage_line(line);
  };
  return start;
}

void Chain::Impl::on_stage_exit(size_t index) {
  const auto& stage = *stages_[index];
  totals_[stage.name()].add_totals(stage.numbers());
  options_.log.debug("{}", stage.describe_exit());
  if (phase_ == Phase::kRunning) judge(index);
  if (all_gone()) on_all_gone();
}

void Chain::Impl::judge(size_t index) {
  const Stage& stage = *stages_[index];
  switch (judge_exit(stage.role(), *stage.exit(), ran_before_)) {
    case ExitVerdict::kRestart:
      return restart(stage.describe_exit());
    case ExitVerdict::kGiveUp:
      fatal_end_ = stage.describe_exit();
      return suspect();
    case ExitVerdict::kEnd:
      if (stage.role() == StageRole::kSource) {
        if (!settling_) after(options_.drain_deadline, &Impl::give_up_draining);
      } else if (index == 0 || stages_[index - 1]->holds_output()) {
        early_end_ = stage.name() + " ended before its input did";
        suspect();
      }
  }
}

void Chain::Impl::suspect() {
  if (std::exchange(settling_, true)) return;
  after(options_.settle_time, &Impl::settle);
}

void Chain::Impl::settle() {
  settling_ = false;
  if (phase_ != Phase::kRunning) return;
  if (!fatal_end_.empty()) return fail(fatal_end_);
  if (!early_end_.empty()) return restart(early_end_);
}

void Chain::Impl::watch() {
  watch_timer_.expires_after(options_.watch_interval);
  watch_timer_.async_wait([self = shared_from_this()](const boost::system::error_code& failure) {
    if (failure || self->phase_ == Phase::kEnded) return;
    if (self->phase_ == Phase::kRunning) self->look_for_hang();
    self->watch();
  });
}

void Chain::Impl::look_for_hang() {
  std::vector<StageSigns> signs;
  for (const auto& stage : stages_) signs.push_back(stage->signs());
  const auto hang = hang_watch_.look(clock_.now(), signs);
  if (!hang) return;
  Stage& stage = *stages_[hang->stage];
  stage.send_signal(SIGKILL);  // Also a sink, which would otherwise be left to deliver what it holds.
  restart(fmt::format("{} {}", stage.name(), hang->what));
}

void Chain::Impl::restart(const std::string& reason) {
  last_error_ = reason;
  restart_reason_ = reason;
  if (!budget_.take(clock_.now())) {
    return fail(fmt::format("{} ({} restarts in {} s are used up)", reason, options_.restart_limit,
                            options_.restart_window.count()));
  }
  options_.log.warning("{}; restarting the chain", reason);
  failure_.clear();
  clear();
}

void Chain::Impl::fail(std::string reason) {
  last_error_ = reason;
  failure_ = std::move(reason);
  clear();
  if (all_gone()) {
    boost::asio::post(io_, [self = shared_from_this()] {
      if (self->phase_ == Phase::kClearing && self->all_gone()) self->on_all_gone();
    });
  }
}

void Chain::Impl::clear() {
  phase_ = Phase::kClearing;
  held_input_.reset();
  for (const auto& stage : stages_) {
    if (stage->role() != StageRole::kSink) stage->send_signal(SIGKILL);
  }
  after(options_.sink_grace, &Impl::kill_rest);
}

void Chain::Impl::on_all_gone() {
  if (phase_ == Phase::kRunning) {
    if (fatal_end_.empty() && early_end_.empty()) return finish({ChainEnd::Kind::kEndOfInput, {}});
    settle();  // Nobody is left to explain it better.
  }
  if (phase_ == Phase::kStopping || stop_requested_) return finish({ChainEnd::Kind::kStopped, {}});
  if (phase_ != Phase::kClearing) return;
  if (!failure_.empty()) return finish({ChainEnd::Kind::kFailed, failure_});
  timer_.cancel();
  phase_ = Phase::kRunning;
  ++restarts_;
  // Posted: the stage whose exit brought us here is still on the stack, and must outlive this call.
  boost::asio::post(io_, [self = shared_from_this()] {
    if (self->phase_ != Phase::kRunning) return;
    self->launch(true);
    if (self->phase_ == Phase::kRunning && self->callbacks_.on_restart) {
      self->callbacks_.on_restart(self->restart_reason_);
    }
  });
}

void Chain::Impl::stop() {
  if (std::exchange(stop_requested_, true) || phase_ == Phase::kEnded) return;
  if (phase_ == Phase::kClearing) return;  // Its end is near, and is now taken for a stop.
  phase_ = Phase::kStopping;
  held_input_.reset();
  for (const auto& stage : stages_) {
    if (stage->role() == StageRole::kSource) stage->send_signal(SIGTERM);
  }
  after(options_.stop_deadline, &Impl::terminate_rest);
  if (all_gone()) boost::asio::post(io_, [self = shared_from_this()] { self->on_all_gone(); });
}

void Chain::Impl::finish(ChainEnd end) {
  if (std::exchange(phase_, Phase::kEnded) == Phase::kEnded) return;
  timer_.cancel();
  watch_timer_.cancel();
  boost::asio::post(io_, [self = shared_from_this(), end = std::move(end)] {
    // Taken out first: the owner may destroy the chain, and its callbacks with it, from inside the call.
    if (const auto notify = std::exchange(self->callbacks_.on_end, nullptr)) notify(end);
  });
}

void Chain::Impl::abandon() {
  phase_ = Phase::kEnded;
  callbacks_ = {};
  timer_.cancel();
  watch_timer_.cancel();
  stages_.clear();
}

std::vector<StageStatus> Chain::Impl::status() const {
  std::vector<StageStatus> result;
  for (const auto& stage : stages_) {
    const bool running = !stage->exit();
    StageNumbers totals;
    if (const auto found = totals_.find(stage->name()); found != totals_.end()) totals = found->second;
    if (running) totals.add_totals(stage->numbers());
    result.push_back({stage->name(), stage->pid(), running, stage->numbers(), std::move(totals)});
  }
  return result;
}

Chain::Chain(boost::asio::io_context& io, ChainPlanner planner, ChainOptions options,
             ChainCallbacks callbacks, const Clock& clock)
    : impl_(std::make_shared<Impl>(io, std::move(planner), std::move(options), std::move(callbacks), clock)) {
}
Chain::~Chain() { impl_->abandon(); }
void Chain::start() { impl_->start(); }
void Chain::stop() { impl_->stop(); }
void Chain::control(const std::string& program, const std::string& line) { impl_->control(program, line); }
void Chain::send_signal(int signal) { impl_->signal_all(signal); }
void Chain::restart(const std::string& reason) { impl_->restart_from_outside(reason); }
std::vector<StageStatus> Chain::status() const { return impl_->status(); }
uint64_t Chain::restarts() const { return impl_->restarts(); }
const std::string& Chain::last_error() const { return impl_->last_error(); }

}  // namespace trickle::pipeline
