#include "bench/answer_reader.h"

#include <strings.h>

namespace trickle::bench {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

template <typename Number>
void read_number(std::string_view text, Number& number) {
  std::from_chars(text.data(), text.data() + text.size(), number);
}

void take_field(AnswerHead& head, std::string_view name, std::string_view value) {
  if (same_name(name, "Lp-Trickle-Seq")) read_number(value, head.segment);
  if (same_name(name, "Lp-Trickle-Latest")) read_number(value, head.latest);
  if (same_name(name, "Lp-Trickle-Closed")) head.closed = true;
  if (same_name(name, "Content-Length")) read_number(value, head.length_bytes);
  if (same_name(name, "Transfer-Encoding")) head.chunked = same_name(value, "chunked");
  if (same_name(name, "Connection")) head.keeps_alive = !same_name(value, "close");
}

}  // namespace

AnswerHead parse_answer_head(std::string_view text) {
  AnswerHead head;
  if (!text.starts_with("HTTP/1.") || text.size() < 12) return head;
  read_number(text.substr(9, 3), head.status);
  size_t at = text.find("\r\n");
  while (at != std::string_view::npos) {
    const std::string_view rest = text.substr(at + 2);
    const size_t end = rest.find("\r\n");
    const std::string_view line = rest.substr(0, end);
    if (line.empty() || end == std::string_view::npos) break;
    if (const size_t colon = line.find(':'); colon != std::string_view::npos) {
      const size_t value = line.find_first_not_of(' ', colon + 1);
      take_field(head, line.substr(0, colon), value == std::string_view::npos ? "" : line.substr(value));
    }
    at += 2 + end;
  }
  return head;
}

bool AnswerReader::take_line(std::string_view& bytes) {
  const size_t end = bytes.find('\n');
  const size_t count = end == std::string_view::npos ? bytes.size() : end + 1;
  text_.append(bytes.substr(0, count));
  bytes.remove_prefix(count);
  return end != std::string_view::npos;
}

bool AnswerReader::begin_chunk() {
  const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), left_, 16);
  if (error != std::errc()) return false;
  text_.clear();
  state_ = left_ == 0 ? State::kTrailer : State::kData;
  return true;
}

}  // namespace trickle::bench
