// Keeps JSON from outside from nesting so deeply that handling it, which recurses, would exhaust the stack.
#pragma once

#include <cstddef>
#include <string_view>

namespace trickle {

/// Far more than any document of ours has.
inline constexpr size_t kDeepestJson = 64;

/// True when `text`, read as JSON, opens more than kDeepestJson arrays and objects inside each other. Ask
/// before parsing; text that is no JSON may get either answer.
[[nodiscard]] inline bool is_too_deep_json(std::string_view text) {
  size_t depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kDeepestJson) return true;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return false;
}

}  // namespace trickle
