#include "trickle/answer.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

namespace trickle {

std::optional<int64_t> parse_sequence(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool all = error == std::errc() && end == text.data() + text.size();
  if (!all || text.empty() || text.front() == '-' || number == std::numeric_limits<int64_t>::max())
    return std::nullopt;
  return number;
}

Answer read_answer(const http::ResponseHead& head) {
  const auto number = [&](std::string_view name) {
    const auto text = head.header(name);
    return text ? parse_sequence(*text) : std::nullopt;
  };
  return {.status = head.status,
          .seq = number("lp-trickle-seq"),
          .latest = number("lp-trickle-latest"),
          .closed = head.header("lp-trickle-closed").has_value()};
}

Error status_error(int status, std::string_view what, std::string_view url) {
  switch (status) {
    case 401:
      return {ErrorKind::kRefused, fmt::format("{}: {} wants a token (401)", what, url)};
    case 403:
      return {ErrorKind::kRefused, fmt::format("{}: {} refused us (403)", what, url)};
    case 404:
      return {ErrorKind::kNotFound, fmt::format("{}: {} not found (404)", what, url)};
    default:
      if (status >= 300 && status < 400) {
        return {ErrorKind::kNetwork,
                fmt::format("{}: {} redirects elsewhere ({}): use the final URL", what, url, status)};
      }
      return {ErrorKind::kNetwork, fmt::format("{}: {} answered with status {}", what, url, status)};
  }
}

}  // namespace trickle
