#include <gtest/gtest.h>

#include <algorithm>

#include "media/ts_access_unit.h"
#include "media/ts_pes.h"
#include "media/ts_psi.h"
#include "media/ts_resync.h"
#include "unit/media/ts_writer.h"

namespace trickle::ts {
namespace {

using testing::ByteVector;
using testing::TsWriter;

std::span<const uint8_t, kPacketBytes> packet(const ByteVector& bytes, size_t index = 0) {
  return std::span<const uint8_t>(bytes).subspan(index * kPacketBytes).first<kPacketBytes>();
}

void feed(ProgramTables& tables, const ByteVector& bytes) {
  for (size_t i = 0; i * kPacketBytes < bytes.size(); ++i) {
    const auto parsed = parse_packet(packet(bytes, i));
    ASSERT_TRUE(parsed);
    tables.add(*parsed, packet(bytes, i));
  }
}

TEST(TsPacket, ParsesPidStartFlagPayloadAndStuffing) {
  TsWriter writer;
  const ByteVector bytes = writer.pes(TsWriter::kVideoPid, 90'000, ByteVector(20, 1), true);
  const auto parsed = parse_packet(packet(bytes));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->pid, TsWriter::kVideoPid);
  EXPECT_TRUE(parsed->payload_unit_start);
  EXPECT_TRUE(parsed->random_access);
  EXPECT_EQ(parsed->payload.size(), 34U);
  EXPECT_GT(parsed->stuffing_bytes, 100U);
}

TEST(TsPacket, KnowsStuffingOfEverySize) {
  for (uint8_t length = 0; length < 183; ++length) {  // Of the adaptation field, without its own byte.
    const ByteVector filled = testing::padded({kSyncByte, 0x01, 0x00, 0x30, length, 0x00}, 0xff);
    EXPECT_EQ(parse_packet(packet(filled))->stuffing_bytes, std::max<size_t>(length, 1)) << int{length};
    if (length == 0) continue;
    const ByteVector flagged = testing::padded({kSyncByte, 0x01, 0x00, 0x30, length, 0x40}, 0xff);
    EXPECT_EQ(parse_packet(packet(flagged))->stuffing_bytes, length - 1U) << int{length};
  }
}

TEST(TsPacket, ReadsTheClockReference) {
  const ByteVector bytes =
      testing::padded({kSyncByte, 0x01, 0x00, 0x20, 183, 0x10, 0x00, 0x00, 0x00, 0x01, 0x7e, 0x05}, 0xff);
  const auto parsed = parse_packet(packet(bytes));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->pcr, 2 * 300 + 5);
  EXPECT_TRUE(parsed->payload.empty());
}

TEST(TsPacket, RefusesAnAdaptationFieldLongerThanThePacket) {
  const ByteVector bytes = testing::padded({kSyncByte, 0x01, 0x00, 0x30, 184}, 0);
  EXPECT_FALSE(parse_packet(packet(bytes)));
}

TEST(ProgramTables, FindStreamsAndTheirCodecs) {
  TsWriter writer;
  ProgramTables tables;
  feed(tables, writer.pat());
  EXPECT_FALSE(tables.complete());
  feed(tables, writer.pmt());
  ASSERT_TRUE(tables.complete());
  ASSERT_EQ(tables.programs().size(), 1U);
  const auto& streams = tables.programs()[0].streams;
  ASSERT_EQ(streams.size(), 2U);
  EXPECT_EQ(streams[0].codec, Codec::kH264);
  EXPECT_EQ(streams[1].codec, Codec::kAac);
  EXPECT_EQ(tables.packets().size(), 2 * kPacketBytes);
}

TEST(ProgramTables, PutSectionsOfSeveralPacketsTogether) {
  TsWriter writer;
  ProgramTables tables;
  feed(tables, writer.pat());
  const ByteVector info(500, 0x80);
  feed(tables, writer.pmt(info));
  ASSERT_TRUE(tables.complete());
  EXPECT_EQ(tables.programs()[0].streams.size(), 2U);
  EXPECT_EQ(tables.packets().size(), 4 * kPacketBytes);
}

TEST(ProgramTables, ThrowAwayASectionWithAWrongChecksum) {
  TsWriter writer;
  ProgramTables tables;
  feed(tables, writer.pat());
  ByteVector damaged = writer.pmt();
  damaged[20] ^= 1;
  feed(tables, damaged);
  EXPECT_FALSE(tables.complete());
  EXPECT_EQ(tables.damaged_sections(), 1U);
}

TEST(ProgramTables, RepeatThePmtsOfAllProgramsThatShareAPid) {
  TsWriter writer;
  ProgramTables tables;
  feed(tables, writer.pat({{1, TsWriter::kPmtPid}, {2, TsWriter::kPmtPid}}));
  feed(tables, writer.pmt({}, 1));
  EXPECT_FALSE(tables.complete());
  EXPECT_TRUE(tables.usable());
  EXPECT_EQ(tables.packets().size(), 2 * kPacketBytes);
  feed(tables, writer.pmt({}, 2));
  EXPECT_TRUE(tables.complete());
  ASSERT_EQ(tables.packets().size(), 3 * kPacketBytes);
  ProgramTables again;
  feed(again, tables.packets());
  EXPECT_TRUE(again.complete());
  EXPECT_EQ(again.programs(), tables.programs());
}

TEST(ProgramTables, FollowAChangeOfStreams) {
  TsWriter before;
  TsWriter after({{0x200, 0x24}});
  ProgramTables tables;
  feed(tables, before.pat());
  feed(tables, before.pmt());
  feed(tables, after.pmt());
  ASSERT_EQ(tables.programs()[0].streams.size(), 1U);
  EXPECT_EQ(tables.programs()[0].streams[0].codec, Codec::kHevc);
}

TEST(PesHeader, GivesTimestampsAndLength) {
  TsWriter writer;
  const int64_t pts = kTimestampWrap - 1;
  const ByteVector bytes = writer.pes(TsWriter::kAudioPid, pts, ByteVector(50, 1), false, true);
  const auto header = parse_pes_header(parse_packet(packet(bytes))->payload);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->pts, pts);
  EXPECT_FALSE(header->dts);
  EXPECT_EQ(header->header_bytes, 14U);
  EXPECT_EQ(header->packet_bytes, 64U);
}

TEST(TimestampUnwrapper, GoesOnRisingOverAWrapAndBackBeforeIt) {
  TimestampUnwrapper unwrapper;
  EXPECT_EQ(unwrapper.unwrap(kTimestampWrap - 10), kTimestampWrap - 10);
  EXPECT_EQ(unwrapper.unwrap(10), kTimestampWrap + 10);
  EXPECT_EQ(unwrapper.unwrap(kTimestampWrap - 5), kTimestampWrap - 5);
}

RandomAccess scan(Codec codec, const ByteVector& unit, size_t step = 1) {
  AccessUnitScanner scanner;
  scanner.reset(codec);
  for (size_t at = 0; at < unit.size(); at += step) {
    scanner.add(std::span(unit).subspan(at, std::min(step, unit.size() - at)));
  }
  return scanner.verdict();
}

TEST(AccessUnitScanner, TellsH264IdrFromOtherPicturesWhateverThePieces) {
  for (const size_t step : {size_t{1}, size_t{7}, size_t{184}, size_t{10'000}}) {
    EXPECT_EQ(scan(Codec::kH264, TsWriter::h264(true, 100, 700), step), RandomAccess::kKeyframe);
    EXPECT_EQ(scan(Codec::kH264, TsWriter::h264(false, 100, 700), step), RandomAccess::kNone);
    EXPECT_EQ(scan(Codec::kH264, TsWriter::h264(false, 100, 0, true), step), RandomAccess::kRecovery);
  }
}

TEST(AccessUnitScanner, StaysUndecidedUntilTheFirstSlice) {
  ByteVector unit = TsWriter::h264(true, 0, 700);
  unit.erase(unit.end() - 4, unit.end());
  EXPECT_EQ(scan(Codec::kH264, unit), RandomAccess::kUndecided);
}

TEST(AccessUnitScanner, KnowsHevcIdrBlaAndCra) {
  const auto unit = [](int type) {
    ByteVector bytes{0, 0, 1, 0x40, 1, 0xaa, 0, 0, 1, static_cast<uint8_t>(type << 1), 1};
    testing::append(bytes, ByteVector(50, 0xcc));
    return bytes;
  };
  for (int type = 16; type <= 20; ++type) EXPECT_EQ(scan(Codec::kHevc, unit(type)), RandomAccess::kKeyframe);
  EXPECT_EQ(scan(Codec::kHevc, unit(21)), RandomAccess::kRecovery);
  EXPECT_EQ(scan(Codec::kHevc, unit(1)), RandomAccess::kNone);
}

TEST(AccessUnitScanner, KnowsMpeg2SequencesAndIntraPictures) {
  const ByteVector sequence{0, 0, 1, 0xb3, 1, 2, 3, 4, 5, 6, 7, 8};
  const ByteVector intra{0, 0, 1, 0x00, 0x00, 0x0f, 0xff, 0xf8, 0, 0, 1, 1, 2, 3, 4, 5};
  const ByteVector predicted{0, 0, 1, 0x00, 0x00, 0x57, 0xff, 0xf8, 0, 0, 1, 1, 2, 3, 4, 5};
  ByteVector both = sequence;
  testing::append(both, intra);
  EXPECT_EQ(scan(Codec::kMpeg2Video, both), RandomAccess::kKeyframe);
  EXPECT_EQ(scan(Codec::kMpeg2Video, intra), RandomAccess::kRecovery);
  EXPECT_EQ(scan(Codec::kMpeg2Video, predicted), RandomAccess::kNone);
}

TEST(FindSync, PassesOverOneDamagedSyncByteWithItsPacket) {
  TsWriter writer;
  ByteVector bytes;
  for (int i = 0; i < 4; ++i) testing::append(bytes, writer.null_packet());
  bytes[0] = 0x48;
  EXPECT_EQ(find_sync(bytes, false), kPacketBytes);
}

TEST(FindSync, FindsPacketsBehindGarbageThatHoldsSyncBytes) {
  TsWriter writer;
  ByteVector bytes{0x00, 0x47, 0x47, 0x12};
  for (int i = 0; i < 4; ++i) testing::append(bytes, writer.null_packet());
  EXPECT_EQ(find_sync(bytes, false), 4U);
}

TEST(LooksLikeTs, SaysNoToOtherFormatsAndYesToPacketsEvenIfMisaligned) {
  TsWriter writer;
  ByteVector bytes;
  for (int i = 0; i < 6; ++i) testing::append(bytes, writer.null_packet());
  EXPECT_TRUE(looks_like_ts(bytes));
  ByteVector misaligned(17, 0x00);
  testing::append(misaligned, bytes);
  EXPECT_TRUE(looks_like_ts(misaligned));
  const std::string json = R"({"Go":"G"})"
                           "\n";
  EXPECT_FALSE(looks_like_ts(Bytes(reinterpret_cast<const uint8_t*>(json.data()), json.size())));
  EXPECT_FALSE(looks_like_ts(ByteVector(2000, 0)));
}

}  // namespace
}  // namespace trickle::ts
