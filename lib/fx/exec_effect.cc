#include "fx/exec_effect.h"

#include <fmt/format.h>

#include <cmath>
#include <deque>
#include <utility>

#include "base/log.h"
#include "base/try.h"
#include "fx/exec_child.h"

namespace trickle::fx {
namespace {

using Clock = ExecChild::Clock;

// How long one that fails at once is left alone, doubling up to the longest.
constexpr std::chrono::milliseconds kFirstPause{500};
constexpr std::chrono::milliseconds kLongestPause{8000};
// A program that ran for so long is started again at once.
constexpr std::chrono::seconds kGoodRun{5};

int64_t in_time_base(const Timestamp& time, Rational base) {
  if (time.time_base == base) return time.ticks;
  const long double ticks = static_cast<long double>(time.ticks) * time.time_base.num * base.den;
  return std::llround(ticks / time.time_base.den / base.num);
}

class ExecEffect final : public Effect {
 public:
  /// \param patience A program that gives nothing for so long is taken to hang.
  ExecEffect(std::string command, size_t most_inside, Clock::duration patience, EffectHostPtr host)
      : command_(std::move(command)),
        most_inside_(most_inside),
        patience_(patience),
        host_(std::move(host)) {}

  Result<void> process(VideoFrame& frame, Frames& out) override {
    if (child_ && (frame.width != width_ || frame.height != height_ || frame.format != format_)) {
      TRICKLE_TRY(finish(out));
    }
    if (!child_) TRICKLE_TRY(start(frame));
    // The program's frames are written later, so nobody may change the pixels meanwhile.
    frame.exclusive = false;
    inside_.push_back(frame);
    child_->push(frame);
    while (take(Clock::now(), out)) {
    }
    while (inside_.size() > most_inside_ && take(Clock::now() + patience_, out)) {
    }
    if (inside_.size() <= most_inside_ && !child_->ended()) return {};
    return give_up(out);
  }

  Result<void> finish(Frames& out) override {
    if (!child_) return {};
    child_->close_input();
    while (take(Clock::now() + patience_, out)) {
    }
    const std::string how = child_->wait();
    child_.reset();
    if (inside_.empty()) return {};
    const size_t lost = inside_.size();
    pass_inside(out);
    return unexpected(ErrorKind::kInternal,
                      fmt::format("exec: {} {} with {} frames inside", command_, how, lost));
  }

 private:
  Result<void> start(const VideoFrame& frame) {
    if (Clock::now() < not_before_) {
      return unexpected(ErrorKind::kInternal,
                        fmt::format("exec: {} {} and will be started again", command_, last_end_));
    }
    StreamInfo info;
    info.video = VideoTrackInfo{frame.width, frame.height, frame.format,       frame.timestamp.time_base,
                                {},          frame.color,  frame.sample_aspect};
    TRICKLE_TRY_ASSIGN(child_, ExecChild::start(command_, info, *host_));
    width_ = frame.width;
    height_ = frame.height;
    format_ = frame.format;
    return {};
  }

  // Takes one frame that came back, if there is one before `deadline`.
  bool take(Clock::time_point deadline, Frames& out) {
    auto frame = child_->take(deadline);
    if (!frame) return false;
    const Rational base = inside_.empty() ? base_ : inside_.front().timestamp.time_base;
    base_ = base;
    frame->timestamp = {in_time_base(frame->timestamp, base), base};
    while (!inside_.empty() && inside_.front().timestamp.ticks <= frame->timestamp.ticks) inside_.pop_front();
    if (frame->timestamp.ticks > last_ticks_) {
      last_ticks_ = frame->timestamp.ticks;
      out.push_back(*std::move(frame));
    }
    return true;
  }

  // What was inside when the program ended passes as it came; but for the newest frame, which is the
  // caller's.
  Result<void> give_up(Frames& out) {
    const bool hung = !child_->ended();
    last_end_ = hung ? fmt::format("gave nothing for {} s", std::chrono::duration<double>(patience_).count())
                     : child_->wait();
    const auto now = Clock::now();
    const bool good = !hung && now - child_->started() > kGoodRun;
    child_.reset();
    pause_ = good ? std::chrono::milliseconds(0) : std::min(std::max(2 * pause_, kFirstPause), kLongestPause);
    // The first restart is at once.
    not_before_ = now + (good || restarts_ == 0 ? std::chrono::milliseconds(0) : pause_);
    ++restarts_;
    if (!inside_.empty()) inside_.pop_back();
    const size_t lost = inside_.size();
    pass_inside(out);
    const std::string sentence =
        fmt::format("exec: {} {}; {} frames in it pass as they came", command_, last_end_, lost + 1);
    host_->event("effect_restarted", sentence);
    return unexpected(ErrorKind::kInternal, sentence);
  }

  void pass_inside(Frames& out) {
    host_->untouched(Untouched::kRestarted, inside_.size());
    for (VideoFrame& frame : inside_) {
      last_ticks_ = std::max(last_ticks_, frame.timestamp.ticks);
      out.push_back(std::move(frame));
    }
    inside_.clear();
  }

  const std::string command_;
  const size_t most_inside_;
  const Clock::duration patience_;
  const EffectHostPtr host_;
  std::unique_ptr<ExecChild> child_;
  int width_ = 0, height_ = 0;
  PixelFormat format_ = PixelFormat::kNone;
  std::deque<VideoFrame> inside_;  // Given to the program and not come back.
  Rational base_;
  int64_t last_ticks_ = INT64_MIN;
  std::string last_end_;
  uint64_t restarts_ = 0;
  std::chrono::milliseconds pause_{0};
  Clock::time_point not_before_{};
};

Result<std::unique_ptr<Effect>> create(const Parameters& parameters, const EffectHostPtr& host) {
  const std::string& command = text(parameters, "cmd");
  if (command.empty()) {
    return unexpected(ErrorKind::kUsage, "exec: cmd is missing: it must be a command for the shell");
  }
  if (!host->open_frame_sink || !host->open_frame_source) {
    return unexpected(ErrorKind::kUsage, "exec can't run here: this program has no frame streams");
  }
  const auto delay = static_cast<size_t>(number(parameters, "delay"));
  const auto patience = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(number(parameters, "patience")));
  return std::unique_ptr<Effect>(std::make_unique<ExecEffect>(command, delay, patience, host));
}

}  // namespace

EffectInfo exec_effect() {
  return {.name = "exec",
          .text = "Runs any program that reads frames (NUT) from its input and writes them to its output.",
          .parameters = {{.name = "cmd",
                          .type = ParameterType::kString,
                          .default_value = std::string(),
                          .text = "The command, for the shell."},
                         {.name = "delay",
                          .type = ParameterType::kNumber,
                          .default_value = 8.0,
                          .minimum = 1,
                          .maximum = 64,
                          .text = "How many frames may be inside the program before the next one waits."},
                         {.name = "patience",
                          .type = ParameterType::kNumber,
                          .default_value = 10.0,
                          .minimum = 0.1,
                          .maximum = 3600,
                          .text = "Seconds without a frame after which it is ended and started again."}},
          .create = create,
          .reaches_out = true};
}

}  // namespace trickle::fx
