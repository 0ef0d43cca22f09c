// The effect that runs a graph of libavfilter's filters. The library itself is in lib/codec; see EffectHost.
#pragma once

#include "fx/registry.h"

namespace trickle::fx {

[[nodiscard]] EffectInfo avfilter_effect();

/// A graph for pictures alone as an effect, for effects that are made of one. \return kUsage where the host
/// has no graphs, or the text makes none.
Result<std::unique_ptr<Effect>> make_graph_effect(const std::string& effect, const std::string& graph,
                                                  const EffectHostPtr& host);

}  // namespace trickle::fx
