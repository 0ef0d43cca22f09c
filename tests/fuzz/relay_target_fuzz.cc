// Paths and numbers as they come from anywhere: every one is something or is refused, and what is accepted is
// what it looks like.
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>

#include "http/request_head.h"
#include "trickle/relay.h"
#include "trickle/relay_target.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

// The shortest way of writing the same number.
std::string plain(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  while (text.size() > 1 && text.front() == '0') text.remove_prefix(1);
  std::string shortest = negative && text != "0" ? "-" : "";
  return shortest.append(text);
}

void check_number(std::string_view text) {
  const auto number = trickle::parse_segment_number(text);
  if (!number) return;
  require(std::to_string(*number) == plain(text));
  require(*number < std::numeric_limits<int64_t>::max() && *number > std::numeric_limits<int64_t>::min());
}

void check_target(std::string_view path, std::string_view base_path) {
  using Kind = trickle::RelayTarget::Kind;
  const auto target = trickle::parse_relay_target(path, base_path);
  if (target.kind == Kind::kUnknown || target.kind == Kind::kBadName) return;
  require(path.starts_with(base_path));
  require(trickle::is_channel_name(target.channel) && target.channel.size() <= 255);
  check_number(target.segment);
  const auto selector = trickle::parse_read_selector(target.segment);
  require(!selector || selector->value >= 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_number(text);
  check_target(text, "/");
  check_target(text, "/ai/trickle/");
  if (const auto base = trickle::normal_base_path(text)) {
    require(base->starts_with('/') && base->ends_with('/') && base->find("//") == std::string::npos);
    check_target(*base + std::string(text), *base);
  }
  trickle::http::RequestHead head;
  head.target = text;
  if (trickle::http::parse_target(head)) check_target(head.raw_path, "/");
  if (const auto decoded = trickle::http::percent_decode(text)) require(decoded->size() <= text.size());
  return 0;
}
