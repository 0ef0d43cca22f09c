#include "media/nut_fields.h"

namespace trickle::nut {
namespace {

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i << 24;
    for (int bit = 0; bit < 8; ++bit) crc = (crc << 1) ^ ((crc & 0x80000000) != 0 ? 0x04C11DB7 : 0);
    table[i] = crc;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kCrcTable = make_crc_table();

}  // namespace

uint32_t crc_step(uint32_t crc, uint8_t byte) { return (crc << 8) ^ kCrcTable[(crc >> 24) ^ byte]; }

uint32_t crc_of(uint32_t crc, std::span<const uint8_t> bytes) {
  for (const uint8_t byte : bytes) crc = crc_step(crc, byte);
  return crc;
}

uint64_t Fields::v() {
  uint64_t value = 0;
  while (!rest_.empty()) {
    const uint8_t byte = rest_.front();
    rest_ = rest_.subspan(1);
    if (value > std::numeric_limits<uint64_t>::max() >> 7) break;
    value = value << 7 | (byte & 0x7f);
    if ((byte & 0x80) == 0) return value;
  }
  ok_ = false;
  return 0;
}

std::span<const uint8_t> Fields::bytes() {
  const uint64_t size = v();
  if (size > rest_.size()) {
    ok_ = false;
    return {};
  }
  const auto result = rest_.first(static_cast<size_t>(size));
  rest_ = rest_.subspan(result.size());
  return result;
}

std::string_view Fields::text() {
  const auto data = bytes();
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

}  // namespace trickle::nut
