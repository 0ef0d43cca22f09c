#include "http/response_head.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace trickle::http {
namespace {

constexpr size_t kMaxHeadBytes = 64 * 1024;

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

// "HTTP/1.1 200 OK". \return 0 where there is no status.
int status_of(std::string_view line) {
  const size_t blank = line.find(' ');
  if (blank == std::string_view::npos) return 0;
  int status = 0;
  std::from_chars(line.data() + blank + 1, line.data() + line.size(), status);
  return status >= 100 && status <= 999 ? status : 0;
}

}  // namespace

std::optional<std::string_view> ResponseHead::header(std::string_view name) const {
  const auto found =
      std::find_if(headers.begin(), headers.end(), [&](const auto& field) { return field.first == name; });
  return found == headers.end() ? std::nullopt : std::optional<std::string_view>(found->second);
}

void ResponseHeadReader::add_line(std::string_view line) {
  if (complete_) return;
  if (line.starts_with("HTTP/")) {
    head_ = {.status = status_of(line), .headers = {}};
    bytes_ = 0;
    return;
  }
  if (trimmed(line).empty()) {
    complete_ = head_.status >= 200;
    return;
  }
  const size_t colon = line.find(':');
  bytes_ += line.size();
  if (colon == std::string_view::npos || bytes_ > kMaxHeadBytes) return;
  head_.headers.emplace_back(lower_case(trimmed(line.substr(0, colon))), trimmed(line.substr(colon + 1)));
}

}  // namespace trickle::http
