// What the library says about a running stream: losses, retries, changes of size. Lines on standard error.
#pragma once

#include <string_view>

#include "trickle/export.h"
#include "trickle/result.h"

namespace trickle {

/// Sets the least severe level that is written (error, warning, info, debug, trace or off) and the name that
/// stands in each line. Without a call it is "warning". Call before anything else of the library runs.
/// \return kUsage for any other level.
TRICKLE_API Result<void> configure_log(std::string_view program, std::string_view level);

}  // namespace trickle
