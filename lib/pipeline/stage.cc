#include "pipeline/stage.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/log.h"
#include "base/redact.h"
#include "base/try.h"
#include "io/fd_io.h"
#include "pipeline/control_writer.h"
#include "pipeline/line_reader.h"

namespace trickle::pipeline {
namespace {

constexpr size_t kLineLimitBytes = 64 * 1024;
constexpr size_t kEventLimitBytes = 256 * 1024;
constexpr size_t kTimelineLimitBytes = 4096;

struct LogLine {
  spdlog::level::level_enum level;
  std::string message;
};

// Children log as JSON; anything else on their stderr (a library, the loader, a sanitizer) is a warning.
LogLine parse_log_line(std::string_view line) {
  const auto object = nlohmann::json::parse(line, nullptr, false);
  if (object.is_object() && object.value("message", nlohmann::json()).is_string()) {
    const auto level = object.value("level", nlohmann::json("info"));
    return {level.is_string() ? spdlog::level::from_str(level.get<std::string>()) : spdlog::level::info,
            redact_secrets(object["message"].get<std::string>())};
  }
  return {spdlog::level::warn, redact_secrets(line)};
}

std::string_view child_log_level() {
  constexpr std::array<std::pair<spdlog::level::level_enum, std::string_view>, 5> kLevels{{
      {spdlog::level::trace, "trace"},
      {spdlog::level::debug, "debug"},
      {spdlog::level::info, "info"},
      {spdlog::level::warn, "warning"},
      {spdlog::level::err, "error"},
  }};
  for (const auto& [level, name] : kLevels) {
    if (log::enabled(level)) return name;
  }
  return "error";  // Kept for last_error even where nothing is logged.
}

class RunningStage final : public Stage {
 public:
  RunningStage(const StagePlan& plan, StageStart& start)
      : name_(plan.program),
        role_(plan.role),
        log_sink_(std::move(start.log)),
        on_exit_(std::move(start.on_exit)),
        on_numbers_(std::move(start.on_numbers)),
        on_ready_(std::move(start.on_ready)),
        on_event_(std::move(start.on_event)) {}

  ~RunningStage() override { close_pipes(); }

  Result<void> launch(boost::asio::io_context& io, const StagePlan& plan, StageStart start) {
    ChildSpec spec;
    TRICKLE_TRY_ASSIGN(spec.program, find_program(plan.program, start.program_directory));
    TRICKLE_TRY_ASSIGN(Pipe log, make_pipe());
    TRICKLE_TRY_ASSIGN(Pipe stats, make_pipe());
    spec.arguments = plan.arguments;
    spec.arguments.push_back("--stats");
    spec.arguments.push_back(fmt::format("fd:{}", stats.write_end.get()));
    spec.descriptors.push_back(std::move(stats.write_end));
    if (plan.has_control) {
      TRICKLE_TRY_ASSIGN(Pipe control, make_pipe());
      spec.arguments.push_back("--control");
      spec.arguments.push_back(fmt::format("fd:{}", control.read_end.get()));
      spec.descriptors.push_back(std::move(control.read_end));
      control_ = ControlWriter::make(io, std::move(control.write_end));
    }
    if (plan.tells_ready) {
      TRICKLE_TRY_ASSIGN(Pipe told, make_pipe());
      spec.arguments.push_back("--ready");
      spec.arguments.push_back(fmt::format("fd:{}", told.write_end.get()));
      spec.descriptors.push_back(std::move(told.write_end));
      told_ = LineReader::start(io, std::move(told.read_end), kLineLimitBytes,
                                [this](std::string_view) { take_ready_line(); });
    }
    if (plan.tells_events) {
      TRICKLE_TRY_ASSIGN(Pipe told, make_pipe());
      spec.arguments.push_back("--events");
      spec.arguments.push_back(fmt::format("fd:{}", told.write_end.get()));
      spec.descriptors.push_back(std::move(told.write_end));
      events_ =
          LineReader::start(io, std::move(told.read_end), kEventLimitBytes, [this](std::string_view line) {
            if (on_event_) on_event_(line);
          });
    }
    if (plan.has_timeline) {
      timeline_ = UniqueFd(::memfd_create("timeline", MFD_CLOEXEC));
      UniqueFd copy(::fcntl(timeline_.get(), F_DUPFD_CLOEXEC, 3));
      if (!copy) return unexpected(ErrorKind::kIo, "can't make a timeline: too many descriptors are open");
      set_timeline(start.timeline);
      spec.arguments.push_back("--timeline");
      spec.arguments.push_back(fmt::format("fd:{}", copy.get()));
      spec.descriptors.push_back(std::move(copy));
    }
    auto environment = plan.environment;
    environment.emplace_back("TRICKLE_LOG_FORMAT", "json");
    environment.emplace_back("TRICKLE_LOG_LEVEL", child_log_level());
    spec.environment = child_environment(environment);
    spec.standard_input = std::move(start.standard_input);
    spec.standard_output = std::move(start.standard_output);
    spec.standard_error = std::move(log.write_end);
    spec.limits = start.limits;
    log_ = LineReader::start(io, std::move(log.read_end), kLineLimitBytes,
                             [this](std::string_view line) { take_log_line(line); });
    stats_ = LineReader::start(io, std::move(stats.read_end), kLineLimitBytes,
                               [this](std::string_view line) { take_stats_line(line); });
    TRICKLE_TRY_ASSIGN(child_, Child::start(io, std::move(spec), [this](ChildExit) { exited(); }));
    return {};
  }

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] StageRole role() const override { return role_; }
  [[nodiscard]] pid_t pid() const override { return child_->pid(); }
  [[nodiscard]] const std::optional<ChildExit>& exit() const override { return child_->exit(); }
  void adopt(StageStart start) override {
    log_sink_ = std::move(start.log);
    on_exit_ = std::move(start.on_exit);
    on_numbers_ = std::move(start.on_numbers);
    on_ready_ = std::move(start.on_ready);
    on_event_ = std::move(start.on_event);
  }
  [[nodiscard]] bool ready() const override { return ready_; }

  [[nodiscard]] StageSigns signs() const override {
    StageSigns signs;
    signs.running = !exit();
    signs.is_sink = role_ == StageRole::kSink;
    signs.reports = reports_;
    signs.progress = numbers_.frames_in + numbers_.frames_out + numbers_.audio_in + numbers_.audio_out +
                     numbers_.bytes_in + numbers_.bytes_out;
    signs.stopped = child_->stopped();
    signs.has_unread = role_ != StageRole::kSource && child_->has_unread_input();
    return signs;
  }
  [[nodiscard]] bool holds_output() const override { return child_->holds_output(); }
  [[nodiscard]] const StageNumbers& numbers() const override { return numbers_; }

  [[nodiscard]] std::string describe_exit() const override {
    if (!exit()) return name_ + " runs";
    std::string text = exit()->signal != 0 ? fmt::format("{} was {}", name_, exit()->to_string())
                                           : fmt::format("{} ended with {}", name_, exit()->to_string());
    if (exit()->signal == 0 && !last_error_.empty()) text += ": " + last_error_;
    return text;
  }

  [[nodiscard]] std::string timeline() const override {
    if (!timeline_) return left_timeline_;
    std::string bytes(kTimelineLimitBytes, '\0');
    const ssize_t size = ::pread(timeline_.get(), bytes.data(), bytes.size(), 0);
    bytes.resize(static_cast<size_t>(std::max<ssize_t>(size, 0)));
    return bytes;
  }
  void set_timeline(const std::string& bytes) override {
    // In memory: nothing but the lack of that could make it fail, and then the timestamps begin anew.
    if (timeline_ && ::pwrite(timeline_.get(), bytes.data(), bytes.size(), 0) < 0) timeline_.reset();
  }

  void send_signal(int signal) override { child_->send_signal(signal); }
  void control(const std::string& line) override {
    if (control_) control_->send(line);
  }

 private:
  void take_log_line(std::string_view text) {
    const LogLine line = parse_log_line(text);
    if (line.level >= spdlog::level::err) last_error_ = line.message;
    log_sink_.write(line.level, fmt::format("{}: {}", name_, line.message));
  }

  void take_ready_line() {
    ready_ = true;
    if (on_ready_) on_ready_();
  }

  void take_stats_line(std::string_view text) {
    auto numbers = parse_stage_numbers(text, numbers_);
    if (!numbers) return;
    numbers_ = std::move(*numbers);
    ++reports_;
    if (on_numbers_) on_numbers_();
  }

  void close_pipes() {
    if (log_) log_->close();
    if (stats_) stats_->close();
    if (told_) told_->close();
    if (events_) events_->close();
    if (control_) control_->close();
  }

  void exited() {
    log_->drain();
    stats_->drain();
    if (events_) events_->drain();
    close_pipes();  // Also those that a child of the child may still hold open.
    left_timeline_ = timeline();
    timeline_.reset();  // What is told of streams that have ended must not cost descriptors.
    if (auto notify = std::exchange(on_exit_, nullptr)) notify();
  }

  std::string name_;
  StageRole role_;
  log::StreamLog log_sink_;
  std::function<void()> on_exit_, on_numbers_, on_ready_;
  std::function<void(std::string_view)> on_event_;
  std::string last_error_;
  StageNumbers numbers_;
  uint64_t reports_ = 0;
  std::shared_ptr<LineReader> log_, stats_, told_, events_;
  bool ready_ = false;
  std::shared_ptr<ControlWriter> control_;
  UniqueFd timeline_;
  std::string left_timeline_;  // What stood there at its end.
  std::unique_ptr<Child> child_;
};

}  // namespace

Result<std::unique_ptr<Stage>> Stage::start(boost::asio::io_context& io, const StagePlan& plan,
                                            StageStart start) {
  auto stage = std::make_unique<RunningStage>(plan, start);
  TRICKLE_TRY(stage->launch(io, plan, std::move(start)));
  return std::unique_ptr<Stage>(std::move(stage));
}

}  // namespace trickle::pipeline
