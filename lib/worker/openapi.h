// The description of the API for machines, made from the tables that validation uses.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace trickle::worker {

/// An OpenAPI 3.0 document.
[[nodiscard]] nlohmann::ordered_json openapi();

}  // namespace trickle::worker
