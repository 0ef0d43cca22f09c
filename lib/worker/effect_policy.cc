#include "worker/effect_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>

#include "base/try.h"

namespace trickle::worker {
namespace {

// The parameters that name files.
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kFiles{
    {{"torchscript", "model"}, {"plugin", "path"}}};
// Effects whose parameters are programs of a kind: a filter graph opens any file it likes, a command runs any
// program.
constexpr std::array<std::string_view, 2> kUnbounded{"avfilter", "exec"};

Result<std::string> place_of(const std::string& file, std::string_view name, const EffectRules& rules) {
  if (rules.model_dir.empty()) {
    return unexpected(
        ErrorKind::kUsage,
        fmt::format("{}: this worker opens no files for requests (it has no --model-dir)", name));
  }
  std::error_code failure;
  const auto base = std::filesystem::weakly_canonical(rules.model_dir, failure);
  const auto path = std::filesystem::weakly_canonical(base / file, failure);
  const auto relative = path.lexically_relative(base);
  if (failure || relative.empty() || *relative.begin() == ".." || relative == ".") {
    return unexpected(ErrorKind::kUsage, fmt::format("{} must be a file in the model directory", name));
  }
  return path.string();
}

std::string* file_of(fx::EffectSpec& spec, std::string_view effect, std::string_view parameter) {
  const auto found = spec.parameters.find(parameter);
  if (effect != spec.effect || found == spec.parameters.end()) return nullptr;
  auto* file = std::get_if<std::string>(&found->second);
  return file == nullptr || file->empty() ? nullptr : file;
}

Result<void> admit(fx::EffectSpec& spec, const EffectRules& rules) {
  const auto is_this = [&](const auto& name) { return name == spec.effect; };
  if (std::any_of(rules.allowed.begin(), rules.allowed.end(), is_this)) return {};
  if (std::any_of(kUnbounded.begin(), kUnbounded.end(), is_this)) {
    return unexpected(ErrorKind::kUsage,
                      fmt::format("the effect {} is not open to requests (no --allow-effect {})", spec.effect,
                                  spec.effect));
  }
  for (const auto& [effect, parameter] : kFiles) {
    std::string* file = file_of(spec, effect, parameter);
    if (file == nullptr) continue;
    TRICKLE_TRY_ASSIGN(*file, place_of(*file, parameter, rules));
  }
  return {};
}

}  // namespace

Result<fx::ChainSpec> admit_effects(fx::ChainSpec chain, const EffectRules& rules) {
  for (auto& spec : chain.effects) TRICKLE_TRY(admit(spec, rules));
  return chain;
}

void make_files_absolute(fx::ChainSpec& chain) {
  for (auto& spec : chain.effects) {
    for (const auto& [effect, parameter] : kFiles) {
      std::error_code failure;
      std::string* file = file_of(spec, effect, parameter);
      if (file == nullptr) continue;
      const auto path = std::filesystem::weakly_canonical(std::filesystem::absolute(*file, failure), failure);
      if (!failure) *file = path.string();
    }
  }
}

}  // namespace trickle::worker
