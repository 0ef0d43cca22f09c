// The table behind registry.h. Add an effect here; everything else follows.
#pragma once

#include <vector>

#include "fx/registry.h"

namespace trickle::fx {

[[nodiscard]] std::vector<EffectInfo> builtin_effects();

}  // namespace trickle::fx
