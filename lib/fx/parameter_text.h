// Parameter values as the command line spells them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "fx/registry.h"

namespace trickle::fx {

/// A finite number that fills the whole text, or nothing.
[[nodiscard]] std::optional<double> number_from_text(std::string_view text);

/// Reads `text` as `type`; what can't be read so is returned as a string, for check_parameter() to refuse.
/// Quotes around a text are taken off.
[[nodiscard]] ParameterValue value_from_text(ParameterType type, std::string_view text);

/// The inverse: no spaces, so that a shell needs no quotes for numbers and lists.
[[nodiscard]] std::string value_to_text(const ParameterValue& value);

/// "it has a and b", "it has none", for sentences about an unknown parameter.
[[nodiscard]] std::string parameter_names(const EffectInfo& effect);

}  // namespace trickle::fx
