#include "fx/chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/try.h"
#include "fx/color_run.h"

namespace trickle::fx {
namespace {

Result<void> run(Effect& effect, VideoFrame& frame, Frames& out) { return effect.process(frame, out); }
Result<void> run(Effect& effect, SoundBlock& block, Sounds& out) { return effect.process_sound(block, out); }
Result<void> finish_one(Effect& effect, Frames& out) { return effect.finish(out); }
Result<void> finish_one(Effect& effect, Sounds& out) { return effect.finish_sound(out); }

}  // namespace

// Makes the links of a chain, and takes back what it did to the previous one's effects where it fails.
class Chain::Maker {
 public:
  Maker(Chain& chain, const Chain* previous) : chain_(chain), previous_(previous) {}

  Result<void> make(const ChainSpec& spec) {
    for (const EffectSpec& effect_spec : spec.effects) {
      if (auto added = add(effect_spec); !added) {
        take_back();
        return added;
      }
    }
    end_run();
    return {};
  }

 private:
  Result<void> add(const EffectSpec& spec) {
    const EffectInfo* info = find_effect(spec.effect);
    if (info == nullptr) return unexpected(unknown_effect(spec.effect));
    if (info->color != nullptr) {
      steps_.push_back(info->color(spec.parameters));
      return {};
    }
    end_run();
    TRICKLE_TRY_ASSIGN(std::shared_ptr<Effect> effect, reuse(spec));
    if (!effect) {
      TRICKLE_TRY_ASSIGN(effect, info->create(spec.parameters, chain_.host_));
    }
    const bool takes_sound = info->takes_sound != nullptr && info->takes_sound(spec.parameters);
    chain_.takes_sound_ = chain_.takes_sound_ || takes_sound;
    chain_.links_.push_back({spec, std::move(effect), takes_sound});
    return {};
  }

  void end_run() {
    if (steps_.empty()) return;
    chain_.links_.push_back(
        {{}, std::make_shared<ColorRun>(std::exchange(steps_, {}), chain_.host_->frame_memory), false});
  }

  // An effect of the previous chain that can be the one wanted, or null.
  Result<std::shared_ptr<Effect>> reuse(const EffectSpec& spec) {
    if (previous_ == nullptr) return std::shared_ptr<Effect>();
    for (const Link& link : previous_->links_) {
      // One that stands twice in the new chain must not become one with shared state.
      if (link.spec == spec && !chain_.has(link.effect.get())) return link.effect;
    }
    for (const Link& link : previous_->links_) {
      if (link.spec.effect != spec.effect || chain_.has(link.effect.get())) continue;
      TRICKLE_TRY_ASSIGN(const bool updated, link.effect->update(spec.parameters));
      if (!updated) continue;
      updated_.push_back(&link);
      return link.effect;
    }
    return std::shared_ptr<Effect>();
  }

  void take_back() {
    for (const Link* link : updated_) {
      if (const auto old = link->effect->update(link->spec.parameters); !old || !*old) {
        log::warning("{} could not be given its old parameters again", link->spec.effect);
      }
    }
  }

  Chain& chain_;
  const Chain* previous_;
  std::vector<ColorStep> steps_;
  std::vector<const Link*> updated_;
};

Result<std::unique_ptr<Chain>> Chain::make(const ChainSpec& spec, EffectHostPtr host, const Chain* previous) {
  auto chain = std::make_unique<Chain>();
  chain->host_ = host ? std::move(host) : std::make_shared<EffectHost>();
  TRICKLE_TRY(Maker(*chain, previous).make(spec));
  return chain;
}

bool Chain::has(const Effect* effect) const {
  return std::any_of(links_.begin(), links_.end(),
                     [&](const Link& link) { return link.effect.get() == effect; });
}

void Chain::count_failure(const Link& link, const Error& error) {
  ++failures_;
  host_->untouched(Untouched::kFailed);
  const auto count = failure_reports_.add(std::chrono::steady_clock::now());
  if (!count) return;
  const std::string sentence = fmt::format("{} failed, and {} frames passed it unchanged: {}",
                                           link.spec.effect, *count, error.to_string());
  log::warning("{}", sentence);
  host_->event("effect_failed", sentence);
}

// What an effect that fails at its end still held it has counted itself.
void Chain::tell_failure(const Link& link, const Error& error) const {
  const std::string sentence = fmt::format("{} failed at its end: {}", link.spec.effect, error.to_string());
  log::warning("{}", sentence);
  host_->event("effect_failed", sentence);
}

template <typename Item>
void Chain::run_from(size_t index, Item item, std::vector<Item>& out) {
  constexpr bool kSound = std::is_same_v<Item, SoundBlock>;
  std::vector<Item> made;
  for (; index < links_.size(); ++index) {
    const Link& link = links_[index];
    if (kSound && !link.takes_sound) continue;
    made.clear();
    if (auto done = run(*link.effect, item, made); !done) {
      count_failure(link, done.error());
      // What it had made before, and then this one as it came.
      made.push_back(std::move(item));
    }
    if (made.size() != 1) {
      for (Item& one : made) run_from(index + 1, std::move(one), out);
      return;
    }
    item = std::move(made.front());
  }
  out.push_back(std::move(item));
}

void Chain::process(VideoFrame frame, Frames& out) { run_from(0, std::move(frame), out); }
void Chain::process(SoundBlock block, Sounds& out) { run_from(0, std::move(block), out); }

template <typename Item>
void Chain::finish_links(std::vector<Item>& out, const Chain* next) {
  constexpr bool kSound = std::is_same_v<Item, SoundBlock>;
  for (size_t i = 0; i < links_.size(); ++i) {
    const Link& link = links_[i];
    if ((kSound && !link.takes_sound) || (next != nullptr && next->has(link.effect.get()))) continue;
    std::vector<Item> held;
    if (auto done = finish_one(*link.effect, held); !done) tell_failure(link, done.error());
    for (Item& one : held) run_from(i + 1, std::move(one), out);
  }
  if (next != nullptr) return;
  if (const auto rest = failure_reports_.rest())
    log::warning("effects failed on {} more frames, which passed unchanged", *rest);
}

void Chain::finish(Frames& out, const Chain* next) { finish_links(out, next); }
void Chain::finish(Sounds& out, const Chain* next) { finish_links(out, next); }

}  // namespace trickle::fx
