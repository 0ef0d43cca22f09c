// The effect that runs a model: its entry in the registry. LibTorch itself is in lib/fx/torch.
#pragma once

#include "fx/registry.h"

namespace trickle::fx {

[[nodiscard]] EffectInfo torchscript_effect();

}  // namespace trickle::fx
