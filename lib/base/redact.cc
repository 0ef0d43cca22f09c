#include "base/redact.h"

namespace trickle {
namespace {

constexpr std::string_view kHidden = "***";

bool begins_query_value(std::string_view text, size_t at) {
  return at > 0 && (text[at - 1] == '?' || text[at - 1] == '&');
}

// Userinfo ends at the last @ of the authority (RFC 3986, section 3.2).
std::string hide_userinfo(std::string_view text) {
  std::string result;
  while (true) {
    const size_t scheme = text.find("://");
    if (scheme == std::string_view::npos) return result += text;
    result += text.substr(0, scheme + 3);
    text.remove_prefix(scheme + 3);
    const std::string_view authority = text.substr(0, text.find_first_of("/?# \t\"'<>\n"));
    if (const size_t at = authority.rfind('@'); at != std::string_view::npos) {
      result += kHidden;
      text.remove_prefix(at);
    }
  }
}

}  // namespace

std::string redact_secrets(std::string_view text) {
  constexpr std::string_view kToken = "token=";
  std::string result;
  while (true) {
    const size_t at = text.find(kToken);
    if (at == std::string_view::npos) break;
    result += text.substr(0, at + kToken.size());
    const bool is_value = begins_query_value(text, at);
    text.remove_prefix(at + kToken.size());
    if (!is_value) continue;
    const size_t end = text.find_first_of("&# \t\"'<>,;)\n");
    result += kHidden;
    text.remove_prefix(end == std::string_view::npos ? text.size() : end);
  }
  result += text;
  return hide_userinfo(result);
}

}  // namespace trickle
