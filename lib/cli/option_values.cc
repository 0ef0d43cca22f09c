#include "cli/option_values.h"

#include "base/units.h"

namespace trickle::cli {

Result<std::chrono::milliseconds> duration_option(const std::string& option, const std::string& text) {
  const auto parsed = parse_duration(text);
  if (!parsed) return unexpected(ErrorKind::kUsage, option + " " + parsed.error().message());
  return std::chrono::ceil<std::chrono::milliseconds>(*parsed);
}

Result<uint64_t> size_option(const std::string& option, const std::string& text) {
  auto parsed = parse_bytes(text);
  if (parsed && *parsed > 0) return parsed;
  return unexpected(ErrorKind::kUsage, option + (parsed ? " must not be 0" : " " + parsed.error().message()));
}

}  // namespace trickle::cli
