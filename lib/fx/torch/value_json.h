// What a model returns beside its picture, as JSON.
#pragma once

#include <torch/script.h>

#include <optional>
#include <string>

namespace trickle::fx {

/// Numbers, texts, booleans, none, lists, tuples, dictionaries with text keys, and tensors of up to 4096
/// numbers. \return nothing for a value that is none of those. Numbers that are not finite become null.
std::optional<std::string> to_json(const torch::jit::IValue& value);

}  // namespace trickle::fx
