// The effect that runs any program on the frames: its entry in the registry.
#pragma once

#include "fx/registry.h"

namespace trickle::fx {

[[nodiscard]] EffectInfo exec_effect();

}  // namespace trickle::fx
