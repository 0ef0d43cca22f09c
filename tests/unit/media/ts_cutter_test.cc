#include "media/ts_cutter.h"

#include <gtest/gtest.h>

#include <random>

#include "media/splitter.h"
#include "unit/media/ts_writer.h"

namespace trickle {
namespace {

using std::chrono::milliseconds;
using testing::append;
using testing::ByteVector;
using testing::TsWriter;

constexpr int64_t kFrameTicks = 3000;

class Collector final : public SegmentSink {
 public:
  Result<void> begin_segment() override {
    segments.emplace_back();
    return {};
  }
  Result<void> write(std::span<const uint8_t> bytes) override {
    EXPECT_FALSE(segments.empty());
    EXPECT_FALSE(bytes.empty());
    segments.back().insert(segments.back().end(), bytes.begin(), bytes.end());
    return {};
  }
  [[nodiscard]] ByteVector all() const {
    ByteVector joined;
    for (const auto& segment : segments) append(joined, segment);
    return joined;
  }
  /// Bytes of all but what was inserted: `packets` tables before each segment but the first.
  [[nodiscard]] size_t all_without_tables(size_t packets) const {
    return all().size() - (segments.empty() ? 0 : (segments.size() - 1) * packets * ts::kPacketBytes);
  }
  std::vector<ByteVector> segments;
};

// One frame and one audio unit a step, a keyframe each `gop` frames, in front of it the tables if wanted.
ByteVector make_stream(TsWriter& writer, int frames, int gop, bool tables_repeated,
                       int64_t first_pts = 900'000, size_t sei_bytes = 300) {
  ByteVector stream;
  for (int i = 0; i < frames; ++i) {
    const bool key = i % gop == 0;
    if (i == 0 || (key && tables_repeated)) {
      append(stream, writer.pat());
      append(stream, writer.pmt());
    }
    append(stream, writer.pes(TsWriter::kVideoPid, first_pts + i * kFrameTicks,
                              TsWriter::h264(key, 900, sei_bytes), key));
    append(stream,
           writer.pes(TsWriter::kAudioPid, first_pts + i * kFrameTicks, ByteVector(250, 0x33), false, true));
  }
  return stream;
}

// Feeds frame by frame as the clock goes, so that both kinds of time agree.
void feed_paced(TsCutter& cutter, FakeClock& clock, const ByteVector& stream, int frames, Collector& sink) {
  const size_t step = stream.size() / static_cast<size_t>(frames);
  for (int i = 0; i <= frames; ++i) {
    const size_t at = static_cast<size_t>(i) * step;
    const size_t end = i == frames ? stream.size() : at + step;
    ASSERT_TRUE(cutter.add(std::span(stream).subspan(at, end - at), sink));
    clock.advance(milliseconds(1000) / 30);
  }
  ASSERT_TRUE(cutter.finish(sink));
}

void expect_stands_alone(const ByteVector& segment) {
  ASSERT_GE(segment.size(), 3 * ts::kPacketBytes);
  EXPECT_EQ(ts::pid_of(segment.data()), ts::kPatPid);
  EXPECT_EQ(ts::pid_of(segment.data() + ts::kPacketBytes), TsWriter::kPmtPid);
  EXPECT_EQ(ts::pid_of(segment.data() + 2 * ts::kPacketBytes), TsWriter::kVideoPid);
  EXPECT_TRUE(ts::unit_start_of(segment.data() + 2 * ts::kPacketBytes));
}

TEST(TsCutter, CutsAtKeyframesAndKeepsEveryByteWhereTheSourceRepeatsItsTables) {
  FakeClock clock;
  TsWriter writer;
  const ByteVector stream = make_stream(writer, 120, 30, true);
  TsCutter cutter({}, clock);
  Collector sink;
  feed_paced(cutter, clock, stream, 120, sink);
  ASSERT_EQ(sink.segments.size(), 4U);
  for (const auto& segment : sink.segments) expect_stands_alone(segment);
  EXPECT_EQ(sink.all(), stream);
  EXPECT_EQ(cutter.totals().inserted_bytes, 0U);
}

TEST(TsCutter, InsertsTablesWhereTheSourceDoesNotRepeatThem) {
  FakeClock clock;
  TsWriter writer;
  const ByteVector stream = make_stream(writer, 90, 30, false);
  TsCutter cutter({}, clock);
  Collector sink;
  feed_paced(cutter, clock, stream, 90, sink);
  ASSERT_EQ(sink.segments.size(), 3U);
  for (const auto& segment : sink.segments) expect_stands_alone(segment);
  EXPECT_EQ(cutter.totals().inserted_bytes, 4 * ts::kPacketBytes);
  EXPECT_EQ(sink.all().size(), stream.size() + 4 * ts::kPacketBytes);
}

TEST(TsCutter, MakesTheSameSegmentsWhateverThePiecesOfItsInput) {
  TsWriter writer;
  const ByteVector stream = make_stream(writer, 60, 10, true);
  const auto cut_in_pieces = [&](size_t largest, uint32_t seed) {
    FakeClock clock;
    TsCutter cutter({.min_segment = milliseconds(0)}, clock);
    Collector sink;
    std::mt19937 random(seed);
    size_t at = 0;
    while (at < stream.size()) {
      const size_t size = std::min<size_t>(1 + random() % largest, stream.size() - at);
      EXPECT_TRUE(cutter.add(std::span(stream).subspan(at, size), sink));
      at += size;
    }
    EXPECT_TRUE(cutter.finish(sink));
    return sink.segments;
  };
  const auto whole = cut_in_pieces(1, 0);
  ASSERT_EQ(whole.size(), 6U);
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    EXPECT_EQ(cut_in_pieces(seed * 37, seed), whole) << "seed " << seed;
  }
}

TEST(TsCutter, HoldsBackNoWholePacketOfAnUnitThatCanNotBeginASegment) {
  FakeClock clock;
  TsWriter writer;
  const ByteVector stream = make_stream(writer, 20, 300, true);
  TsCutter cutter({}, clock);
  Collector sink;
  size_t given = 0;
  for (const uint8_t byte : stream) {
    ASSERT_TRUE(cutter.add(std::span(&byte, 1), sink));
    ++given;
    if (given < 20 * ts::kPacketBytes) continue;  // The first unit has to show what it is.
    ASSERT_EQ(sink.all().size(), given / ts::kPacketBytes * ts::kPacketBytes);
  }
}

TEST(TsCutter, CutsNoEarlierThanBothTheTimestampsAndTheWallClockAllow) {
  TsWriter writer;
  const ByteVector stream = make_stream(writer, 120, 15, true);
  FakeClock clock;
  TsCutter cutter({.min_segment = milliseconds(1000)}, clock);
  Collector paced;
  feed_paced(cutter, clock, stream, 120, paced);
  EXPECT_EQ(paced.segments.size(), 4U);

  FakeClock still;
  TsCutter unpaced({.min_segment = milliseconds(1000)}, still);
  Collector at_once;
  ASSERT_TRUE(unpaced.add(stream, at_once));
  ASSERT_TRUE(unpaced.finish(at_once));
  EXPECT_EQ(at_once.segments.size(), 1U);
  EXPECT_EQ(at_once.all(), stream);
}

TEST(TsCutter, EndsASegmentThatBeganInTheMiddleOfAGopAtTheFirstKeyframe) {
  FakeClock clock;
  TsWriter writer;
  ByteVector stream = make_stream(writer, 60, 30, true);
  const size_t frame = stream.size() / 60;
  const ByteVector late(
      stream.begin() + static_cast<std::ptrdiff_t>(frame * 20 / ts::kPacketBytes * ts::kPacketBytes),
      stream.end());
  ByteVector joined = writer.pat();
  append(joined, writer.pmt());
  append(joined, late);
  TsCutter cutter({.min_segment = milliseconds(5000)}, clock);
  Collector sink;
  ASSERT_TRUE(cutter.add(joined, sink));
  ASSERT_TRUE(cutter.finish(sink));
  ASSERT_EQ(sink.segments.size(), 2U);
  expect_stands_alone(sink.segments[1]);
}

TEST(TsCutter, TakesARecoveryPointOnlyWhenTheSegmentIsAtItsLongest) {
  FakeClock clock;
  TsWriter writer;
  ByteVector stream = writer.pat();
  append(stream, writer.pmt());
  constexpr int kFrames = 120;
  for (int i = 0; i < kFrames; ++i) {
    append(stream, writer.pes(TsWriter::kVideoPid, i * kFrameTicks,
                              TsWriter::h264(i == 0, 500, 0, i % 15 == 0), true));
  }
  TsCutter cutter({.min_segment = milliseconds(500), .max_segment = milliseconds(2000)}, clock);
  Collector sink;
  feed_paced(cutter, clock, stream, kFrames, sink);
  EXPECT_EQ(sink.segments.size(), 2U);
}

TEST(TsCutter, NeverCutsInsideAPesPacketOfAnotherStream) {
  FakeClock clock;
  TsWriter writer;
  ByteVector stream = writer.pat();
  append(stream, writer.pmt());
  append(stream, writer.pes(TsWriter::kVideoPid, 0, TsWriter::h264(true, 500)));
  const ByteVector audio = writer.pes(TsWriter::kAudioPid, 0, ByteVector(300, 1), false, true);
  ASSERT_EQ(audio.size(), 2 * ts::kPacketBytes);
  append(stream, {audio.begin(), audio.begin() + ts::kPacketBytes});
  append(stream, writer.pes(TsWriter::kVideoPid, 90'000, TsWriter::h264(true, 500)));
  append(stream, {audio.begin() + ts::kPacketBytes, audio.end()});
  append(stream, writer.pes(TsWriter::kVideoPid, 180'000, TsWriter::h264(true, 500)));
  TsCutter cutter({.min_segment = milliseconds(0)}, clock);
  Collector sink;
  ASSERT_TRUE(cutter.add(stream, sink));
  ASSERT_TRUE(cutter.finish(sink));
  ASSERT_EQ(sink.segments.size(), 2U);
  expect_stands_alone(sink.segments[1]);
}

TEST(TsCutter, SkipsWhatIsNoPacketAndCountsIt) {
  FakeClock clock;
  TsWriter writer;
  const ByteVector stream = make_stream(writer, 60, 30, true);
  ByteVector damaged(23, 0x11);
  const auto middle = static_cast<std::ptrdiff_t>(100 * ts::kPacketBytes);
  append(damaged, {stream.begin(), stream.begin() + middle});
  append(damaged, ByteVector(77, 0x47));
  append(damaged, {stream.begin() + middle, stream.end()});
  for (const size_t step : {size_t{1}, size_t{50}, size_t{5000}}) {
    TsCutter cutter({.min_segment = milliseconds(0)}, clock);
    Collector sink;
    for (size_t at = 0; at < damaged.size(); at += step) {
      ASSERT_TRUE(cutter.add(std::span(damaged).subspan(at, std::min(step, damaged.size() - at)), sink));
    }
    ASSERT_TRUE(cutter.finish(sink));
    EXPECT_EQ(sink.segments.size(), 2U);
    EXPECT_GE(cutter.totals().skipped_bytes, 23U);
    EXPECT_LE(cutter.totals().skipped_bytes, 23U + 77U + 2 * ts::kPacketBytes);
    EXPECT_EQ(sink.all().size() + cutter.totals().skipped_bytes, damaged.size());
  }
}

// The packets of `stream` but those of these PIDs.
ByteVector without(const ByteVector& stream, std::initializer_list<uint16_t> pids) {
  ByteVector rest;
  for (size_t at = 0; at + ts::kPacketBytes <= stream.size(); at += ts::kPacketBytes) {
    const auto* packet = stream.data() + at;
    if (std::find(pids.begin(), pids.end(), ts::pid_of(packet)) != pids.end()) continue;
    rest.insert(rest.end(), packet, packet + ts::kPacketBytes);
  }
  return rest;
}

TEST(TsCutter, CutsByTheFlagsOfTheFirstVideoStreamWhereThereIsNoPatOrPmt) {
  for (const std::initializer_list<uint16_t> missing : {std::initializer_list<uint16_t>{ts::kPatPid},
                                                        {TsWriter::kPmtPid},
                                                        {ts::kPatPid, TsWriter::kPmtPid}}) {
    FakeClock clock;
    TsWriter writer;
    const ByteVector stream = without(make_stream(writer, 150, 30, true), missing);
    TsCutter cutter({}, clock);
    Collector sink;
    feed_paced(cutter, clock, stream, 150, sink);
    EXPECT_GE(sink.segments.size(), 3U);  // The first second is needed to see that nothing better comes.
    EXPECT_EQ(sink.all(), stream);
    EXPECT_FALSE(cutter.has_tables());
  }
}

TEST(TsCutter, RepeatsTheTablesThatAreThereWhereAPatListsAProgramThatNeverComes) {
  FakeClock clock;
  TsWriter writer;
  ByteVector stream = writer.pat({{1, TsWriter::kPmtPid}, {2, 0x1fe}});
  append(stream, writer.pmt());
  append(stream, without(make_stream(writer, 90, 30, false), {ts::kPatPid, TsWriter::kPmtPid}));
  TsCutter cutter({}, clock);
  Collector sink;
  feed_paced(cutter, clock, stream, 90, sink);
  ASSERT_EQ(sink.segments.size(), 3U);
  for (const auto& segment : sink.segments) expect_stands_alone(segment);
}

TEST(TsCutter, CutsSoundAloneByTime) {
  FakeClock clock;
  TsWriter writer({{TsWriter::kAudioPid, 0x0f}});
  ByteVector stream = writer.pat();
  append(stream, writer.pmt());
  constexpr int kUnits = 100;
  for (int i = 0; i < kUnits; ++i) {
    append(stream, writer.pes(TsWriter::kAudioPid, i * kFrameTicks, ByteVector(100, 1), true, true));
  }
  TsCutter cutter({}, clock);
  Collector sink;
  feed_paced(cutter, clock, stream, kUnits, sink);
  EXPECT_EQ(sink.segments.size(), 4U);
}

TEST(TsCutter, GoesOnOverAWrapAndCountsAJump) {
  FakeClock clock;
  TsWriter writer;
  ByteVector stream = make_stream(writer, 60, 30, true, ts::kTimestampWrap - 30 * kFrameTicks);
  append(stream, make_stream(writer, 60, 30, true, 55'555));
  TsCutter cutter({}, clock);
  Collector sink;
  feed_paced(cutter, clock, stream, 120, sink);
  EXPECT_EQ(sink.segments.size(), 4U);
  EXPECT_EQ(cutter.totals().time_jumps, 1U);
}

TEST(TsCutter, LetsGoOfTablesAndOfAnUndecidedUnitWhenTheInputStandsStill) {
  FakeClock clock;
  TsWriter writer;
  // A keyframe shows in its first packet; the head of the one in the middle is longer.
  ByteVector stream = make_stream(writer, 30, 10, true, 900'000, 0);
  append(stream, make_stream(writer, 10, 10, true, 990'000, 300));
  append(stream, make_stream(writer, 10, 10, true, 1'020'000, 0));
  const auto splitter =
      make_splitter({.kind = SplitMode::Kind::kKeyframe}, {.min_segment = milliseconds(0)}, clock);
  Collector sink;
  for (size_t at = 0; at < stream.size(); at += 47) {  // Each packet in four pieces, and then a long pause.
    const size_t end = std::min(at + 47, stream.size());
    ASSERT_TRUE(splitter->add(std::span(stream).subspan(at, end - at), sink));
    while (const auto deadline = splitter->deadline()) {
      clock.advance(*deadline - clock.now());
      ASSERT_TRUE(splitter->on_time(sink));
    }
    ASSERT_LT(end - sink.all_without_tables(2), ts::kPacketBytes);
  }
  ASSERT_TRUE(splitter->finish(sink));
  EXPECT_EQ(sink.segments.size(), 4U);
}

TEST(TsCutter, PassesATruncatedEndOn) {
  FakeClock clock;
  TsWriter writer;
  ByteVector stream = make_stream(writer, 10, 30, true);
  stream.erase(stream.end() - 100, stream.end());
  TsCutter cutter({}, clock);
  Collector sink;
  ASSERT_TRUE(cutter.add(stream, sink));
  ASSERT_TRUE(cutter.finish(sink));
  EXPECT_EQ(sink.all(), stream);
}

}  // namespace
}  // namespace trickle
