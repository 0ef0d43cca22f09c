// Our reader of NUT: the same packets however the bytes come, and damage passed over.
#include "media/nut_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "test_paths.h"

namespace trickle {
namespace {

class Pieces final : public NutBytes {
 public:
  Pieces(std::vector<uint8_t> bytes, size_t piece) : bytes_(std::move(bytes)), piece_(piece) {}
  Result<size_t> read(std::span<uint8_t> target) override {
    const size_t count = std::min({target.size(), bytes_.size() - used_, piece_});
    std::copy_n(bytes_.begin() + static_cast<ptrdiff_t>(used_), count, target.begin());
    used_ += count;
    most_asked_ = std::max(most_asked_, target.size());
    return count;
  }
  [[nodiscard]] size_t used() const { return used_; }
  [[nodiscard]] size_t most_asked() const { return most_asked_; }

 private:
  std::vector<uint8_t> bytes_;
  size_t piece_;
  size_t used_ = 0;
  size_t most_asked_ = 0;
};

std::vector<uint8_t> load(const std::string& name) {
  const auto folder =
      std::filesystem::path(TRICKLE_TEST_DATA_DIR "/../fuzz/corpus/nut_reader").lexically_normal();
  std::ifstream in(folder / name, std::ios::binary);
  std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  EXPECT_FALSE(bytes.empty()) << name;
  return bytes;
}

struct Got {
  size_t track;
  int64_t pts;
  std::vector<uint8_t> data;
  friend bool operator==(const Got&, const Got&) = default;
};

std::vector<Got> read_all(NutReader& reader) {
  std::vector<Got> all;
  while (true) {
    const auto packet = reader.next();
    EXPECT_TRUE(packet);
    if (!packet || !*packet) return all;
    Got got{(*packet)->track, (*packet)->pts, std::vector<uint8_t>((*packet)->data_bytes)};
    const auto count = reader.read_data(got.data);
    EXPECT_TRUE(count);
    got.data.resize(*count);
    all.push_back(std::move(got));
  }
}

TEST(NutReader, TracksAreWhatFfmpegWrote) {
  for (const char* name : {"v3.nut", "v4.nut"}) {
    Pieces bytes(load(name), 1 << 20);
    NutReader reader(bytes);
    ASSERT_TRUE(reader.read_headers()) << name;
    ASSERT_EQ(reader.tracks().size(), 2U);
    EXPECT_EQ(reader.tracks()[0].width, 16);
    EXPECT_EQ(reader.tracks()[0].height, 16);
    EXPECT_EQ(reader.tracks()[1].sample_rate, 44100);
    const auto packets = read_all(reader);
    EXPECT_EQ(std::count_if(packets.begin(), packets.end(), [](const Got& got) { return got.track == 0; }),
              3);
    EXPECT_EQ(reader.tracks()[0].frame_rate, (Rational{30, 1}));
    EXPECT_EQ(reader.damages(), 0U);
  }
}

TEST(NutReader, PacketsAreTheSameHoweverTheBytesCome) {
  for (const char* name : {"v3.nut", "v4.nut", "elided.nut", "size_change.nut"}) {
    Pieces whole(load(name), 1 << 20);
    NutReader one(whole);
    ASSERT_TRUE(one.read_headers());
    const auto expected = read_all(one);
    EXPECT_GT(expected.size(), 2U);
    for (const size_t piece : {1, 7, 4096}) {
      Pieces bytes(load(name), piece);
      NutReader reader(bytes);
      ASSERT_TRUE(reader.read_headers());
      EXPECT_EQ(read_all(reader), expected) << name << " in pieces of " << piece;
    }
  }
}

TEST(NutReader, HeadersThatPacketsLeaveOutArePutBack) {
  Pieces bytes(load("elided.nut"), 1 << 20);
  NutReader reader(bytes);
  ASSERT_TRUE(reader.read_headers());
  for (const Got& got : read_all(reader)) {
    ASSERT_GE(got.data.size(), 2U);
    EXPECT_EQ(got.data[0], 0xff);
    EXPECT_EQ(got.data[1] & 0xe0, 0xe0) << "the sync word of MPEG audio";
  }
}

TEST(NutReader, ANewSizeStandsInTheSideDataOfItsFirstPacket) {
  Pieces bytes(load("size_change.nut"), 1 << 20);
  NutReader reader(bytes);
  ASSERT_TRUE(reader.read_headers());
  std::vector<std::array<int64_t, 2>> sizes;
  while (true) {
    const auto packet = reader.next();
    if (!packet || !*packet) break;
    if ((*packet)->new_size) sizes.push_back(*(*packet)->new_size);
  }
  ASSERT_EQ(sizes.size(), 1U);
  EXPECT_EQ(sizes[0], (std::array<int64_t, 2>{32, 32}));
}

TEST(NutReader, NothingBehindTheHeadersIsWaitedFor) {
  const std::vector<uint8_t> all = load("v4.nut");
  Pieces counted(all, 1);
  NutReader first(counted);
  ASSERT_TRUE(first.read_headers());
  const size_t headers = counted.used();
  Pieces just_enough(std::vector<uint8_t>(all.begin(), all.begin() + static_cast<ptrdiff_t>(headers)), 1);
  NutReader reader(just_enough);
  EXPECT_TRUE(reader.read_headers());
  EXPECT_EQ(reader.taken().size(), headers);
}

TEST(NutReader, DamageIsPassedOverAndCounted) {
  std::vector<uint8_t> bytes = load("v4.nut");
  Pieces whole(bytes, 1 << 20);
  NutReader intact(whole);
  ASSERT_TRUE(intact.read_headers());
  const auto expected = read_all(intact);
  // The first syncpoint behind the headers loses a byte of its body.
  const std::array<uint8_t, 3> syncpoint{0x4E, 0x4B, 0xE4};
  const auto at = std::search(bytes.begin(), bytes.end(), syncpoint.begin(), syncpoint.end());
  ASSERT_NE(at, bytes.end());
  *(at + 9) ^= 0xff;
  Pieces damaged(bytes, 1 << 20);
  NutReader reader(damaged);
  ASSERT_TRUE(reader.read_headers());
  const auto got = read_all(reader);
  EXPECT_GE(reader.damages(), 1U);
  EXPECT_LT(got.size(), expected.size());
  EXPECT_EQ(got.back(), expected.back());
}

TEST(NutReader, WhatIsCutShortOrNoNutIsBadData) {
  const std::vector<uint8_t> all = load("v4.nut");
  for (size_t size = 0; size < 120; size += 7) {
    Pieces bytes(std::vector<uint8_t>(all.begin(), all.begin() + static_cast<ptrdiff_t>(size)), 1 << 20);
    NutReader reader(bytes);
    const auto headers = reader.read_headers();
    ASSERT_FALSE(headers);
    EXPECT_EQ(headers.error().kind(), ErrorKind::kBadData);
  }
}

TEST(NutReader, LargeDataGoesStraightWhereItIsWanted) {
  Pieces bytes(load("v4.nut"), 1 << 20);
  NutReader reader(bytes);
  ASSERT_TRUE(reader.read_headers());
  read_all(reader);
  EXPECT_LE(bytes.most_asked(), 8U * 1024) << "and read ahead is little";
}

}  // namespace
}  // namespace trickle
