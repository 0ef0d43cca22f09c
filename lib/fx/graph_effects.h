// Effects on more than a pixel's colour that libavfilter does well: each is a graph with checked parameters.
#pragma once

#include <vector>

#include "fx/registry.h"

namespace trickle::fx {

/// blur, pixelate, flip, rotate, overlay_text.
[[nodiscard]] std::vector<EffectInfo> graph_effects();

}  // namespace trickle::fx
