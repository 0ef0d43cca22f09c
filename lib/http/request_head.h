// The head of an HTTP request as handlers see it, and the rules for its target.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace trickle::http {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct RequestHead {
  std::string method;
  std::string target;    ///< As sent.
  std::string raw_path;  ///< Without scheme, host and query, not decoded; begins with "/", or is "*".
  std::string path;  ///< raw_path, percent-decoded. "%2F" has become "/": split raw_path where that matters.
  Fields query;      ///< Percent-decoded.
  Fields headers;
  int version = 11;  ///< 10 or 11.
  std::string peer;  ///< "ADDRESS:PORT".

  /// The first value of a header (case-insensitive), or of a query parameter; empty when it isn't there.
  [[nodiscard]] std::string_view header(std::string_view name) const;
  [[nodiscard]] std::string_view query_value(std::string_view name) const;
  /// What it costs in memory, beyond itself.
  [[nodiscard]] size_t footprint_bytes() const;
  /// How often a header is there.
  [[nodiscard]] size_t header_count(std::string_view name) const;
};

/// ASCII case-insensitive.
[[nodiscard]] bool iequals(std::string_view a, std::string_view b);

/// "%41" becomes "A"; with `plus_is_space` (queries) "+" becomes a space.
/// \return nothing for a malformed escape, or one that means a zero byte.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

/// Fills raw_path, path and query from target (origin-form, absolute-form or "*"; RFC 9112, section 3.2).
/// \return false when it is none of these.
[[nodiscard]] bool parse_target(RequestHead& head);

}  // namespace trickle::http
