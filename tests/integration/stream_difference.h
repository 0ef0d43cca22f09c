// Holds what came out of a chain against what went in, where nothing but ends of segments and whole segments
// may be missing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace trickle::testing {

struct Difference {
  uint64_t missing_runs = 0;
  uint64_t missing_bytes = 0;
};

struct Comparison {
  std::optional<Difference> left_out;  ///< Nothing: something came twice, out of order or changed.
  size_t understood_bytes = 0;         ///< Of what came out, up to where that shows.
};

/// Whether `out` is made of beginnings of the segments of `in`, in their order; each segment but the last has
/// `segment_bytes`. Bytes of `in` that are no accident in two places are expected: random ones.
Comparison compare_streams(std::string_view in, std::string_view out, size_t segment_bytes);

}  // namespace trickle::testing
