#include "http/chunk.h"

#include <charconv>

namespace trickle::http {

Chunk::Chunk(std::span<const char> data, TimePoint arrived_at)
    : size_bytes_(data.size()), arrived_at_(arrived_at) {
  char size_text[2 * sizeof(size_t)];
  const auto [end, error] = std::to_chars(size_text, size_text + sizeof size_text, data.size(), 16);
  const auto digits = static_cast<size_t>(end - size_text);
  begin_ = static_cast<uint32_t>(digits + 2);
  framed_.reserve(digits + data.size() + 4);
  framed_.append(size_text, digits).append("\r\n").append(data.data(), data.size()).append("\r\n");
}

}  // namespace trickle::http
