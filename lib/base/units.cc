#include "base/units.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

namespace trickle {
namespace {

struct NumberWithUnit {
  double number;
  std::string_view unit;
};

std::optional<NumberWithUnit> split_number(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !std::isfinite(number) || number < 0) return std::nullopt;
  return NumberWithUnit{number, text.substr(static_cast<size_t>(end - text.data()))};
}

template <size_t N>
std::optional<double> scale_of(const std::array<std::pair<std::string_view, double>, N>& units,
                               std::string_view unit) {
  for (const auto& [name, scale] : units) {
    if (name == unit) return scale;
  }
  return std::nullopt;
}

// The largest duration and byte count that are still exact as a double.
constexpr double kMaxExact = 9007199254740992.0;

}  // namespace

Result<std::chrono::microseconds> parse_duration(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, double>, 6> kUnits{
      {{"", 1e6}, {"s", 1e6}, {"ms", 1e3}, {"us", 1.0}, {"m", 60e6}, {"h", 3600e6}}};
  if (const auto parsed = split_number(text)) {
    const auto scale = scale_of(kUnits, parsed->unit);
    if (scale && parsed->number * *scale < kMaxExact) {
      return std::chrono::microseconds(std::llround(parsed->number * *scale));
    }
  }
  return unexpected(ErrorKind::kUsage,
                    fmt::format("'{}' is not a duration: write a number and us, ms, s, m or h", text));
}

Result<uint64_t> parse_bytes(std::string_view text) {
  static constexpr double kKibi = 1024.0;
  static constexpr std::array<std::pair<std::string_view, double>, 11> kUnits{{
      {"", 1.0},
      {"B", 1.0},
      {"K", kKibi},
      {"k", kKibi},
      {"KiB", kKibi},
      {"M", kKibi * kKibi},
      {"MiB", kKibi * kKibi},
      {"G", kKibi * kKibi * kKibi},
      {"GiB", kKibi * kKibi * kKibi},
      {"T", kKibi * kKibi * kKibi * kKibi},
      {"TiB", kKibi * kKibi * kKibi * kKibi},
  }};
  if (const auto parsed = split_number(text)) {
    const auto scale = scale_of(kUnits, parsed->unit);
    if (scale && parsed->number * *scale < kMaxExact) {
      return static_cast<uint64_t>(std::llround(parsed->number * *scale));
    }
  }
  return unexpected(ErrorKind::kUsage,
                    fmt::format("'{}' is not a size: write a number and K, M or G (powers of 1024)", text));
}

Result<uint64_t> parse_bitrate(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, double>, 6> kUnits{
      {{"", 1.0}, {"k", 1e3}, {"K", 1e3}, {"M", 1e6}, {"m", 1e6}, {"G", 1e9}}};
  if (const auto parsed = split_number(text)) {
    const auto scale = scale_of(kUnits, parsed->unit);
    if (scale && parsed->number * *scale >= 1 && parsed->number * *scale < kMaxExact) {
      return static_cast<uint64_t>(std::llround(parsed->number * *scale));
    }
  }
  return unexpected(
      ErrorKind::kUsage,
      fmt::format("'{}' is not a bit rate: write a number and k, M or G (powers of 1000)", text));
}

std::string format_bytes(uint64_t bytes) {
  static constexpr std::array<std::string_view, 5> kNames{"bytes", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kNames.size()) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} bytes", bytes) : fmt::format("{:.1f} {}", value, kNames[unit]);
}

std::string format_duration(std::chrono::microseconds duration) {
  const auto micros = duration.count();
  if (micros < 1000) return fmt::format("{} us", micros);
  if (micros < 1'000'000) return fmt::format("{:g} ms", static_cast<double>(micros) / 1e3);
  return fmt::format("{:g} s", static_cast<double>(micros) / 1e6);
}

double rounded(double value, int decimals) {
  const double scale = std::pow(10, decimals);
  return std::round(value * scale) / scale;
}

}  // namespace trickle
