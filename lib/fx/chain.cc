#include "fx/chain.h"

#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/try.h"
#include "fx/color_run.h"

namespace trickle::fx {

std::shared_ptr<Effect> Chain::find(const EffectSpec& spec) const {
  for (const Link& link : links_) {
    if (link.spec == spec) return link.effect;
  }
  return nullptr;
}

Result<std::unique_ptr<Chain>> Chain::make(const ChainSpec& spec, const Chain* previous,
                                           const std::shared_ptr<FrameMemory>& memory) {
  auto chain = std::make_unique<Chain>();
  std::vector<ColorStep> steps;
  const auto end_run = [&] {
    if (steps.empty()) return;
    chain->links_.push_back({{}, std::make_shared<ColorRun>(std::exchange(steps, {}), memory)});
  };
  for (const EffectSpec& effect_spec : spec.effects) {
    const EffectInfo* info = find_effect(effect_spec.effect);
    if (info == nullptr) return unexpected(unknown_effect(effect_spec.effect));
    if (info->color != nullptr) {
      steps.push_back(info->color(effect_spec.parameters));
      continue;
    }
    end_run();
    // One that stands twice in the new chain must not become one with shared state.
    auto effect = previous != nullptr && !chain->find(effect_spec) ? previous->find(effect_spec) : nullptr;
    if (!effect) {
      TRICKLE_TRY_ASSIGN(effect, info->create(effect_spec.parameters));
    }
    chain->links_.push_back({effect_spec, std::move(effect)});
  }
  end_run();
  return chain;
}

VideoFrame Chain::process_by(const Link& link, VideoFrame frame) {
  // A colour run works in place, for which nobody else may hold the frame; and it never fails.
  VideoFrame unchanged;
  if (!link.spec.effect.empty()) unchanged = frame;
  auto made = link.effect->process(std::move(frame));
  if (made) return *std::move(made);
  ++failures_;
  if (const auto count = failure_reports_.add(std::chrono::steady_clock::now())) {
    log::warning("{} failed, and {} frames passed it unchanged: {}", link.spec.effect, *count,
                 made.error().to_string());
  }
  return unchanged;
}

VideoFrame Chain::process(VideoFrame frame) {
  for (const Link& link : links_) frame = process_by(link, std::move(frame));
  return frame;
}

}  // namespace trickle::fx
