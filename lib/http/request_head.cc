#include "http/request_head.h"

#include <algorithm>

namespace trickle::http {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char l = lower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

// What follows scheme and authority of an absolute-form target, or nothing when it isn't one.
std::optional<std::string_view> strip_authority(std::string_view target) {
  const size_t scheme_end = target.find("://");
  if (scheme_end == std::string_view::npos) return std::nullopt;
  const std::string_view scheme = target.substr(0, scheme_end);
  if (!iequals(scheme, "http") && !iequals(scheme, "https")) return std::nullopt;
  const std::string_view rest = target.substr(scheme_end + 3);
  const size_t path_begin = rest.find_first_of("/?");
  if (path_begin == 0 || rest.empty()) return std::nullopt;
  return path_begin == std::string_view::npos ? std::string_view() : rest.substr(path_begin);
}

bool parse_query(std::string_view text, Fields& query) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    auto name = percent_decode(pair.substr(0, equals), true);
    auto value = percent_decode(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!name || !value) return false;
    query.emplace_back(*std::move(name), *std::move(value));
  }
  return true;
}

}  // namespace

size_t RequestHead::footprint_bytes() const {
  const auto of_fields = [](const Fields& fields) {
    size_t bytes = fields.capacity() * sizeof(Fields::value_type);
    for (const auto& [name, value] : fields) bytes += name.capacity() + value.capacity();
    return bytes;
  };
  return target.capacity() + raw_path.capacity() + path.capacity() + of_fields(headers) + of_fields(query);
}

bool iequals(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view RequestHead::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (iequals(key, name)) return value;
  }
  return {};
}

std::string_view RequestHead::query_value(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return {};
}

size_t RequestHead::header_count(std::string_view name) const {
  return static_cast<size_t>(std::count_if(headers.begin(), headers.end(),
                                           [&](const auto& field) { return iequals(field.first, name); }));
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    decoded.push_back(c);
  }
  return decoded;
}

bool parse_target(RequestHead& head) {
  std::string_view rest = head.target;
  if (rest.empty()) return false;
  if (rest == "*") {
    head.raw_path = head.path = head.target;
    return true;
  }
  if (rest.front() != '/') {
    const auto stripped = strip_authority(rest);
    if (!stripped) return false;
    rest = *stripped;
  }
  rest = rest.substr(0, rest.find('#'));
  const size_t path_end = std::min(rest.find('?'), rest.size());
  head.raw_path.assign(path_end == 0 ? std::string_view("/") : rest.substr(0, path_end));
  auto decoded = percent_decode(head.raw_path);
  if (!decoded) return false;
  head.path = *std::move(decoded);
  return parse_query(rest.substr(std::min(path_end + 1, rest.size())), head.query);
}

}  // namespace trickle::http
