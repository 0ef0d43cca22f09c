#include "trickle/relay_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "http/request_head.h"
#include "trickle/relay.h"

namespace trickle {
namespace {

constexpr size_t kMaxNameBytes = 255;

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

}  // namespace

bool is_channel_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes &&
         std::all_of(text.begin(), text.end(), is_unreserved);
}

bool is_reserved_name(std::string_view name) {
  return name == kChangeFeed || name == "_channels" || name == "_health" || name == "_metrics";
}

RelayTarget parse_relay_target(std::string_view raw_path, std::string_view base_path) {
  using Kind = RelayTarget::Kind;
  if (!raw_path.starts_with(base_path)) return {};
  raw_path.remove_prefix(base_path.size());
  const size_t slash = raw_path.find('/');
  const auto channel = http::percent_decode(raw_path.substr(0, slash));
  if (raw_path.empty()) return {};
  if (!channel || !is_channel_name(*channel)) return {Kind::kBadName, {}, {}};
  if (slash == std::string_view::npos) {
    if (*channel == "_channels") return {Kind::kChannels, *channel, {}};
    if (*channel == "_health") return {Kind::kHealth, *channel, {}};
    if (*channel == "_metrics") return {Kind::kMetrics, *channel, {}};
    return {Kind::kChannel, *channel, {}};
  }
  const std::string_view rest = raw_path.substr(slash + 1);
  if (rest.find('/') != std::string_view::npos) return {};
  const auto segment = http::percent_decode(rest);
  if (!segment) return {};
  Kind kind = Kind::kSegment;
  if (*segment == "next") kind = Kind::kNext;
  if (*segment == "live") kind = Kind::kLive;
  if (*segment == "index.m3u8") kind = Kind::kPlaylist;
  return {kind, *channel, *segment};
}

std::optional<SegmentNumber> parse_segment_number(std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with('-')) digits.remove_prefix(1);
  SegmentNumber magnitude = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude);
  const bool whole = error == std::errc() && end == digits.data() + digits.size() && !digits.starts_with('-');
  if (digits.empty() || !whole || magnitude == std::numeric_limits<SegmentNumber>::max()) return std::nullopt;
  return text.starts_with('-') ? -magnitude : magnitude;
}

std::optional<ReadSelector> parse_read_selector(std::string_view text) {
  if (text == "oldest") return ReadSelector{ReadSelector::Kind::kOldest};
  const auto number = parse_segment_number(text);
  if (!number) return std::nullopt;
  if (*number < 0) return ReadSelector{ReadSelector::Kind::kFromEnd, -*number};
  return ReadSelector{ReadSelector::Kind::kNumber, *number};
}

Result<void> check_channel_name(std::string_view text) {
  if (is_reserved_name(text))
    return unexpected(ErrorKind::kUsage, fmt::format("'{}' is a reserved name", text));
  if (is_channel_name(text)) return {};
  return unexpected(
      ErrorKind::kUsage,
      fmt::format("'{}' is no channel name: it has 1 to 255 of the characters A-Z a-z 0-9 . _ ~ -", text));
}

Result<std::string> normal_base_path(std::string_view text) {
  std::string path = text.starts_with('/') ? std::string() : std::string(1, '/');
  path += text;
  if (!path.ends_with('/')) path += '/';
  const bool plain =
      std::all_of(path.begin(), path.end(), [](char c) { return is_unreserved(c) || c == '/'; });
  if (plain && path.find("//") == std::string::npos) return path;
  return unexpected(ErrorKind::kUsage, fmt::format("'{}' is no base path: write it like /ai/trickle/", text));
}

}  // namespace trickle
