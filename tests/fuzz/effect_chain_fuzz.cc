// Updates of the effect chain as they come from afar: any text is an update or a refusal, and what was
// accepted comes back from its own JSON.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "fx/chain_spec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trickle::fx;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto update = apply_update_text(ChainSpec{}, text);
  if (!update || update->chain.effects.empty())
    return 0;  // The empty chain is spelled "none", which is one effect.
  const auto again = apply_update(ChainSpec{}, to_json(update->chain));
  if (!again || !(again->chain == update->chain)) std::abort();
  return 0;
}
