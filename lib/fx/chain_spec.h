// Which effects to run, in which order, with which parameters: checked, complete and cheap to copy. No media
// here.
//
// Two spellings are read: that of the command line and the flat JSON of the worker API (where lists of
// effects are allowed too). Functions are pure and may be called from any thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fx/registry.h"
#include "trickle/result.h"

namespace trickle::fx {

/// One effect with every parameter that it has, each one checked.
struct EffectSpec {
  std::string effect;
  Parameters parameters;

  friend bool operator==(const EffectSpec&, const EffectSpec&) = default;
};

/// The effects in the order in which they are applied. Empty: frames pass untouched, as with "none".
struct ChainSpec {
  std::vector<EffectSpec> effects;

  friend bool operator==(const ChainSpec&, const ChainSpec&) = default;
};

/// True when some effect of the chain works on sound.
[[nodiscard]] bool takes_sound(const ChainSpec& chain);
/// True when some effect of the chain works on sound and is of no use without.
[[nodiscard]] bool needs_sound(const ChainSpec& chain);

/// More effects in one chain are refused: an update comes from afar and could name any number.
inline constexpr size_t kMostEffects = 32;
[[nodiscard]] Error too_many_effects();

/// Reads the command line's spelling: EFFECT[:k=v,…] [k=v …] [EFFECT …]. Parameters belong to the effect
/// before them. A list may be written [0.1,0,-0.1] or 0.1,0,-0.1. \return kUsage with a sentence for an
/// unknown effect or parameter, or a value that is not allowed.
Result<ChainSpec> parse_chain(std::span<const std::string> args);

/// What an update in JSON comes to.
struct ChainUpdate {
  ChainSpec chain;                   ///< The whole chain after the update.
  std::vector<std::string> unknown;  ///< Names that no effect knows: pass them on, or warn.
  std::vector<std::string> unused;   ///< Names of parameters that no effect in the chain has.
};

/// Applies an update to `current`, which stays as it is. The update is one of
///   {"effect":"red_tint","intensity":0.3}          a new chain of one effect; what it does not name has its
///   default
///   {"effect":["grayscale",{"effect":"red_tint","intensity":0.3}],…}   a new chain ("effects" is the same
///   key)
///   [{"effect":"grayscale"},…]                     the same
///   {"intensity":0.3}                              the current chain with this parameter changed
/// A parameter beside the effect or the list goes to every effect in the chain that has one of that name and
/// was not given its own. Numbers may be written as strings ("0.3"). \return kUsage with a sentence that
/// names the field and what is allowed; kBadData when it is no JSON.
Result<ChainUpdate> apply_update(const ChainSpec& current, const nlohmann::json& update);
Result<ChainUpdate> apply_update_text(const ChainSpec& current, std::string_view json_text);

/// The chain as an update that makes it from any other: flat for one effect, a list for more, `none` for no
/// effect.
[[nodiscard]] nlohmann::json to_json(const ChainSpec& chain);
[[nodiscard]] std::string to_json_text(const ChainSpec& chain);

/// The command line's spelling, for logs: "grayscale red_tint:intensity=0.3".
[[nodiscard]] std::string to_string(const ChainSpec& chain);

}  // namespace trickle::fx
