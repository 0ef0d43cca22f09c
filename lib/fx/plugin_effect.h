// The effect that runs a plugin: its entry in the registry.
#pragma once

#include "fx/registry.h"

namespace trickle::fx {

[[nodiscard]] EffectInfo plugin_effect();

}  // namespace trickle::fx
