// The command line's spelling of a chain.
#include "fx/chain_spec.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"
#include "fx/parameter_text.h"

namespace trickle::fx {
namespace {

// Splits at commas outside brackets and quotes. A piece without '=' continues the value before it, so that
// lists and graphs need no brackets.
std::vector<std::string> split_assignments(std::string_view text) {
  std::vector<std::string> pieces;
  std::string piece;
  int depth = 0;
  bool quoted = false;
  const auto end_piece = [&] {
    if (!pieces.empty() && piece.find('=') == std::string::npos) {
      pieces.back() += "," + piece;
    } else {
      pieces.push_back(piece);
    }
    piece.clear();
  };
  for (const char c : text) {
    if (c == '\'') quoted = !quoted;
    if (c == '[' && !quoted) ++depth;
    if (c == ']' && !quoted) --depth;
    if (c == ',' && depth <= 0 && !quoted) {
      end_piece();
    } else {
      piece += c;
    }
  }
  end_piece();
  return pieces;
}

Result<void> assign(EffectSpec& spec, std::string_view assignment) {
  const EffectInfo& effect = *find_effect(spec.effect);
  const size_t equals = assignment.find('=');
  if (equals == std::string_view::npos) {
    return unexpected(ErrorKind::kUsage, fmt::format("\"{}\" after {} is not a parameter: write NAME=VALUE",
                                                     assignment, effect.name));
  }
  const std::string_view name = assignment.substr(0, equals);
  const ParameterInfo* parameter = effect.find(name);
  if (parameter == nullptr && effect.more_parameters) {
    spec.parameters.insert_or_assign(std::string(name),
                                     value_from_text(ParameterType::kString, assignment.substr(equals + 1)));
    return {};
  }
  if (parameter == nullptr) {
    return unexpected(ErrorKind::kUsage, fmt::format("{} has no parameter \"{}\": {}", effect.name, name,
                                                     parameter_names(effect)));
  }
  ParameterValue value = value_from_text(parameter->type, assignment.substr(equals + 1));
  TRICKLE_TRY(check_parameter(effect, *parameter, value));
  spec.parameters.insert_or_assign(parameter->name, std::move(value));
  return {};
}

Result<void> add_effect(ChainSpec& chain, std::string_view arg) {
  if (chain.effects.size() == kMostEffects) return unexpected(too_many_effects());
  const size_t colon = arg.find(':');
  const std::string_view name = arg.substr(0, colon);
  const EffectInfo* effect = find_effect(name);
  if (effect == nullptr) return unexpected(unknown_effect(name));
  EffectSpec spec{effect->name, effect->defaults()};
  if (colon != std::string_view::npos) {
    for (const auto& assignment : split_assignments(arg.substr(colon + 1)))
      TRICKLE_TRY(assign(spec, assignment));
  }
  chain.effects.push_back(std::move(spec));
  return {};
}

// "x=…" is a parameter, "x" and "x:…" are effects.
bool is_assignment(std::string_view arg) {
  const size_t mark = arg.find_first_of("=:");
  return mark != std::string_view::npos && arg[mark] == '=';
}

}  // namespace

namespace {

bool any_takes_sound(const ChainSpec& chain, bool optional_too) {
  return std::any_of(chain.effects.begin(), chain.effects.end(), [&](const EffectSpec& spec) {
    const EffectInfo* info = find_effect(spec.effect);
    return info != nullptr && info->takes_sound != nullptr && (optional_too || !info->sound_is_optional) &&
           info->takes_sound(spec.parameters);
  });
}

}  // namespace

bool takes_sound(const ChainSpec& chain) { return any_takes_sound(chain, true); }
bool needs_sound(const ChainSpec& chain) { return any_takes_sound(chain, false); }

Error too_many_effects() {
  return {ErrorKind::kUsage, fmt::format("a chain may have at most {} effects", kMostEffects)};
}

Result<ChainSpec> parse_chain(std::span<const std::string> args) {
  ChainSpec chain;
  for (const auto& arg : args) {
    if (!is_assignment(arg)) {
      TRICKLE_TRY(add_effect(chain, arg));
    } else if (chain.effects.empty()) {
      return unexpected(ErrorKind::kUsage,
                        fmt::format("\"{}\" has no effect before it: name the effect first", arg));
    } else {
      TRICKLE_TRY(assign(chain.effects.back(), arg));
    }
  }
  return chain;
}

std::string to_string(const ChainSpec& chain) {
  if (chain.effects.empty()) return "none";
  std::string text;
  for (const auto& spec : chain.effects) {
    if (!text.empty()) text += ' ';
    text += spec.effect;
    char mark = ':';
    for (const auto& [name, value] : spec.parameters) {
      text += fmt::format("{}{}={}", mark, name, value_to_text(value));
      mark = ',';
    }
  }
  return text;
}

}  // namespace trickle::fx
