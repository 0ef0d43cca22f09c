// Values of options that CLI11 keeps as text: parsed after it, with errors that name the option.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "trickle/result.h"

namespace trickle::cli {

/// "2s" of `option` ("--min-segment"), rounded up. \return kUsage: "--min-segment 'x' is not a duration: …".
Result<std::chrono::milliseconds> duration_option(const std::string& option, const std::string& text);

/// "32M" of `option`, at least 1. \return kUsage with a sentence that begins with the option.
Result<uint64_t> size_option(const std::string& option, const std::string& text);

}  // namespace trickle::cli
