#include "codec/pes_collector.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>

namespace trickle {
namespace {

constexpr size_t kRoom = ts::kPacketBytes - 4;

// Transport packets of one PID, parsed as a demuxer would.
class Packets {
 public:
  ts::Packet make(bool start, std::vector<uint8_t> payload) {
    auto& raw = raw_.emplace_back();
    raw.fill(0xff);
    raw[0] = ts::kSyncByte;
    raw[1] = start ? 0x41 : 0x01;
    raw[2] = 0;
    const size_t stuffing = kRoom - payload.size();
    raw[3] = static_cast<uint8_t>((stuffing > 0 ? 0x30 : 0x10) | counter_++ % 16);
    if (stuffing > 0) raw[4] = static_cast<uint8_t>(stuffing - 1);
    if (stuffing > 1) raw[5] = 0;
    std::copy(payload.begin(), payload.end(), raw.end() - static_cast<ptrdiff_t>(payload.size()));
    return *ts::parse_packet(std::span<const uint8_t, ts::kPacketBytes>(raw));
  }
  void skip_counter() { ++counter_; }

 private:
  std::deque<std::array<uint8_t, ts::kPacketBytes>> raw_;
  uint8_t counter_ = 0;
};

// A PES header with PTS 1 and `body_bytes` more bytes announced (0: no length), then `present` bytes of body.
std::vector<uint8_t> pes(size_t body_bytes, size_t present) {
  const size_t length = body_bytes > 0 ? body_bytes + 8 : 0;
  const std::array<uint8_t, 14> header{0x00,
                                       0x00,
                                       0x01,
                                       0xe0,
                                       static_cast<uint8_t>(length >> 8),
                                       static_cast<uint8_t>(length),
                                       0x80,
                                       0x80,
                                       0x05,
                                       0x21,
                                       0x00,
                                       0x01,
                                       0x00,
                                       0x03};
  std::vector<uint8_t> bytes(header.size() + present, 0xab);
  std::copy(header.begin(), header.end(), bytes.begin());
  return bytes;
}

constexpr size_t kFirstBody = kRoom - 14;

TEST(PesCollector, GivesAPacketWithALengthAsSoonAsItIsReached) {
  Packets packets;
  PesCollector collector;
  std::vector<PesCollector::Unit> units;
  const auto give = [&](PesCollector::Unit unit) { units.push_back(std::move(unit)); };
  collector.add(packets.make(true, pes(kFirstBody + kRoom, kFirstBody)), give);
  EXPECT_TRUE(units.empty());
  EXPECT_TRUE(collector.inside());
  collector.add(packets.make(false, std::vector<uint8_t>(kRoom, 0xab)), give);
  ASSERT_EQ(units.size(), 1u);
  EXPECT_EQ(units[0].data.size(), kFirstBody + kRoom);
  EXPECT_EQ(units[0].pts, 1);
  EXPECT_FALSE(units[0].damaged);
}

TEST(PesCollector, TakesStuffingForTheEndWhereNoLengthIsGiven) {
  Packets packets;
  PesCollector collector;
  std::vector<PesCollector::Unit> units;
  const auto give = [&](PesCollector::Unit unit) { units.push_back(std::move(unit)); };
  collector.add(packets.make(true, pes(0, kFirstBody)), give);
  collector.add(packets.make(false, std::vector<uint8_t>(100, 0xab)), give);
  ASSERT_EQ(units.size(), 1u);
  EXPECT_EQ(units[0].data.size(), kFirstBody + 100);
}

TEST(PesCollector, StopsTrustingStuffingThatWasNotTheEnd) {
  Packets packets;
  PesCollector collector;
  std::vector<PesCollector::Unit> units;
  const auto give = [&](PesCollector::Unit unit) { units.push_back(std::move(unit)); };
  const auto picture = [&] {
    collector.add(packets.make(true, pes(0, kFirstBody)), give);
    collector.add(packets.make(false, std::vector<uint8_t>(100, 0xab)), give);
    collector.add(packets.make(false, std::vector<uint8_t>(kRoom, 0xab)), give);
  };
  picture();
  EXPECT_EQ(collector.take_losses(), 1u);
  units.clear();
  picture();
  EXPECT_TRUE(units.empty());
  collector.finish(give);
  ASSERT_EQ(units.size(), 1u);
  EXPECT_EQ(units[0].data.size(), kFirstBody + 100 + kRoom);
}

TEST(PesCollector, DoesNotTakeRoomBesideAKeyframesClockForTheEnd) {
  Packets packets;
  PesCollector collector;
  std::vector<PesCollector::Unit> units;
  const auto give = [&](PesCollector::Unit unit) { units.push_back(std::move(unit)); };
  ts::Packet first = packets.make(true, pes(0, kFirstBody - 20));
  first.random_access = true;
  collector.add(first, give);
  EXPECT_TRUE(units.empty());
  collector.add(packets.make(false, std::vector<uint8_t>(kRoom - 5, 0xab)), give);
  ASSERT_EQ(units.size(), 1u);
  EXPECT_EQ(units[0].data.size(), kFirstBody - 20 + kRoom - 5);
  // By now stuffing was the end of something: a keyframe in one packet is taken for whole.
  collector.add(packets.make(true, pes(0, 60)), give);
  ts::Packet small = packets.make(true, pes(0, 50));
  small.random_access = true;
  collector.add(small, give);
  EXPECT_EQ(units.size(), 3u);
  EXPECT_EQ(collector.take_losses(), 0u);
}

TEST(PesCollector, CountsScrambledPacketsApartFromLostOnes) {
  Packets packets;
  PesCollector collector;
  std::vector<PesCollector::Unit> units;
  const auto give = [&](PesCollector::Unit unit) { units.push_back(std::move(unit)); };
  collector.add(packets.make(true, pes(kFirstBody + 2 * kRoom, kFirstBody)), give);
  ts::Packet scrambled = packets.make(false, std::vector<uint8_t>(kRoom, 0xab));
  scrambled.scrambled = true;
  collector.add(scrambled, give);
  collector.add(packets.make(false, std::vector<uint8_t>(kRoom, 0xab)), give);
  collector.finish(give);
  EXPECT_EQ(collector.take_scrambled(), 1u);
  EXPECT_EQ(collector.take_scrambled(), 0u);
  EXPECT_EQ(collector.take_losses(), 0u);
  ASSERT_EQ(units.size(), 1u);
  EXPECT_TRUE(units[0].damaged);
}

TEST(PesCollector, CountsWhatIsMissingAndPassesRepetitionsOver) {
  Packets packets;
  PesCollector collector;
  std::vector<PesCollector::Unit> units;
  const auto give = [&](PesCollector::Unit unit) { units.push_back(std::move(unit)); };
  const ts::Packet first = packets.make(true, pes(kFirstBody + 2 * kRoom, kFirstBody));
  collector.add(first, give);
  collector.add(first, give);
  EXPECT_EQ(collector.take_losses(), 0u);
  packets.skip_counter();
  collector.add(packets.make(false, std::vector<uint8_t>(kRoom, 0xab)), give);
  EXPECT_EQ(collector.take_losses(), 1u);
  collector.finish(give);
  ASSERT_EQ(units.size(), 1u);
  EXPECT_TRUE(units[0].damaged);
}

}  // namespace
}  // namespace trickle
