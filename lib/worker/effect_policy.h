// Which effects and which of the machine's files a request may name.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "fx/chain_spec.h"
#include "trickle/result.h"

namespace trickle::worker {

struct EffectRules {
  std::filesystem::path model_dir;   ///< Files that requests may name lie here; empty: none.
  std::vector<std::string> allowed;  ///< Effects that could read any file, and are allowed all the same.
};

/// Checks the chain a request asks for and turns the files it names into absolute paths under `model_dir`.
/// \return kUsage with a sentence for a file outside of it, or for an effect that can't be kept to it.
Result<fx::ChainSpec> admit_effects(fx::ChainSpec chain, const EffectRules& rules);

/// Makes the files that the chain names absolute, as admit_effects() does: for what the operator asks for.
void make_files_absolute(fx::ChainSpec& chain);

}  // namespace trickle::worker
