// Requests as they come from anywhere: however they are cut into pieces, the parser finds the same, and what
// it accepts holds what handlers rely on.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/request_parser.h"

namespace {

using trickle::http::RequestHead;
using trickle::http::RequestParser;

constexpr size_t kHeaderLimit = 2048;
constexpr size_t kMaxFields = 32;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Parsed {
  int status = 0;  // Of the refusal.
  bool whole_head = false;
  bool whole = false;
  RequestHead head{};
  std::string body{};
  size_t consumed_bytes = 0;
};

// As a connection does it: what was not consumed comes again, with more.
Parsed parse(std::string_view input, size_t piece_bytes) {
  RequestParser parser(kHeaderLimit, kMaxFields);
  Parsed parsed;
  std::string pending;
  while (!input.empty() && parsed.status == 0 && !parsed.whole) {
    pending += input.substr(0, piece_bytes);
    input.remove_prefix(std::min(piece_bytes, input.size()));
    while (!pending.empty() && parsed.status == 0 && !parsed.whole) {
      const auto fed = parsed.whole_head ? parser.feed_body(pending.data(), pending.size(), parsed.body)
                                         : parser.feed_head(pending.data(), pending.size());
      require(fed.consumed_bytes <= pending.size());
      require((fed.error_status == 0) == (fed.error_message == nullptr));
      pending.erase(0, fed.consumed_bytes);
      parsed.consumed_bytes += fed.consumed_bytes;
      parsed.status = fed.error_status;
      if (parsed.status == 0 && !parsed.whole_head && parser.head_done()) {
        parsed.whole_head = true;
        parsed.head = parser.take_head();
      }
      parsed.whole = parsed.status == 0 && parsed.whole_head && parser.is_done();
      if (fed.consumed_bytes == 0) break;
    }
  }
  return parsed;
}

void check_head(const RequestHead& head) {
  require(!head.method.empty() && !head.target.empty());
  require(head.version == 10 || head.version == 11);
  require(head.raw_path == "*" || head.raw_path.starts_with('/'));
  require(head.path.find('\0') == std::string::npos);
  require(head.headers.size() <= kMaxFields && head.query.size() <= kMaxFields);
  require(head.header_count("Host") == 1 || (head.version == 10 && head.header_count("Host") == 0));
  const size_t codings = head.header_count("Transfer-Encoding");
  require(codings == 0 || (codings == 1 && head.header_count("Content-Length") == 0 && head.version == 11));
  for (const auto& [name, value] : head.headers) {
    require(name.find_first_of("\r\n: ") == std::string::npos);
    require(value.find_first_of("\r\n") == std::string::npos);  // It may be sent on.
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Parsed at_once = parse(input, input.size());
  if (at_once.whole_head) check_head(at_once.head);
  const Parsed in_pieces = parse(input, 1 + data[0] % 64);
  // Beast sees some errors in the middle of a head only when it comes at once; in the end it is refused, or
  // late.
  if (in_pieces.status == 0 && !in_pieces.whole_head) return 0;
  require((at_once.status == 0) == (in_pieces.status == 0));
  require(at_once.whole_head == in_pieces.whole_head && at_once.whole == in_pieces.whole);
  require(at_once.head.headers == in_pieces.head.headers && at_once.head.target == in_pieces.head.target);
  if (at_once.status == 0) require(at_once.body == in_pieces.body);
  if (at_once.whole) require(at_once.consumed_bytes == in_pieces.consumed_bytes);
  return 0;
}
