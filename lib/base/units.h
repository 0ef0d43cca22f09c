// Durations and byte counts as people write them on a command line: "2s", "500ms", "1.5m", "32M", "64KiB".
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "trickle/result.h"

namespace trickle {

/// Parses a duration: a decimal number and us, ms, s (the default), m or h.
/// \return kUsage with a sentence when it isn't one, or is negative.
Result<std::chrono::microseconds> parse_duration(std::string_view text);

/// Parses a byte count: a decimal number and nothing, K, M, G (or KiB, MiB, GiB), all powers of 1024.
/// \return kUsage with a sentence when it isn't one.
Result<uint64_t> parse_bytes(std::string_view text);

/// Parses a bit rate: a decimal number and nothing, k, M or G (powers of 1000), as encoders count.
/// \return kUsage with a sentence when it isn't one, or is not positive.
Result<uint64_t> parse_bitrate(std::string_view text);

/// "1.5 MiB", for logs.
[[nodiscard]] std::string format_bytes(uint64_t bytes);

/// "250 ms", "2 s", for logs.
[[nodiscard]] std::string format_duration(std::chrono::microseconds duration);

/// The nearest number with so many decimals, for JSON: sums of such numbers end in 0.6780000000001.
[[nodiscard]] double rounded(double value, int decimals);

}  // namespace trickle
