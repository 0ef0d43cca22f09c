#include "pipeline/hang_watch.h"

#include <fmt/format.h>

namespace trickle::pipeline {
namespace {

// Between two looks; a longer one tells that this process itself was held up.
constexpr std::chrono::seconds kLongestPause{2};

long whole_seconds(Duration time) {
  return static_cast<long>(std::chrono::duration_cast<std::chrono::seconds>(time).count());
}

}  // namespace

std::optional<Hang> HangWatch::look(TimePoint now, const std::vector<StageSigns>& signs) {
  if (stages_.size() != signs.size() || now - last_look_ > kLongestPause) {
    stages_.assign(signs.size(), {{}, now, now, now});
    for (size_t i = 0; i < signs.size(); ++i) stages_[i].last = signs[i];
  } else {
    remember(now, signs);
  }
  last_look_ = now;
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (const auto what = judge(now, stages_[i])) return Hang{i, *what};
  }
  for (size_t i = stages_.size(); i-- > 0;) {
    if (!is_stuck(now, stages_[i])) continue;
    if (stages_[i].last.is_sink) return std::nullopt;
    const Duration limit = stages_[i].last.progress == 0 ? limits_.loading : limits_.idle;
    return Hang{i, fmt::format("has not moved for {} s although input waits", whole_seconds(limit))};
  }
  return std::nullopt;
}

void HangWatch::remember(TimePoint now, const std::vector<StageSigns>& signs) {
  for (size_t i = 0; i < signs.size(); ++i) {
    Memory& memory = stages_[i];
    if (!signs[i].stopped) memory.running_since = now;
    if (signs[i].reports != memory.last.reports) memory.reported_at = now;
    if (signs[i].progress != memory.last.progress || !signs[i].has_unread) memory.unstuck_at = now;
    memory.last = signs[i];
  }
}

std::optional<std::string> HangWatch::judge(TimePoint now, const Memory& memory) const {
  if (!memory.last.running) return std::nullopt;
  if (memory.last.stopped && now - memory.running_since >= limits_.stopped) return "was stopped";
  const Duration silence = memory.last.reports == 0 ? limits_.loading : limits_.idle;
  if (now - memory.reported_at < silence) return std::nullopt;
  return fmt::format("has not reported for {} s", whole_seconds(silence));
}

bool HangWatch::is_stuck(TimePoint now, const Memory& memory) const {
  if (!memory.last.running || !memory.last.has_unread) return false;
  return now - memory.unstuck_at >= (memory.last.progress == 0 ? limits_.loading : limits_.idle);
}

}  // namespace trickle::pipeline
