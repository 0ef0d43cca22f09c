// trickle-pub's cutter on transport streams of many kinds, made by ffmpeg (tests/data/make_ts_kinds) and
// then, some of them, damaged: the segments put together are the input but for what was inserted and skipped,
// the cut does not depend on the pieces in which the input comes, and each segment decodes from its first
// frame.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "base/log.h"
#include "integration/decode_video.h"
#include "media/ts_cutter.h"
#include "media/ts_probe.h"
#include "test_paths.h"

namespace trickle {
namespace {

using std::chrono::milliseconds;
using testing::decode_video;
using testing::DecodedVideo;
using ByteVector = std::vector<uint8_t>;
constexpr size_t kPacket = ts::kPacketBytes;

struct Kind {
  const char* name;
  size_t segments;    ///< As many as there are keyframes, or seconds of sound.
  bool whole = true;  ///< Every frame of the input comes out of a segment decoded by itself.
  milliseconds min_segment{0};
};
void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

constexpr milliseconds kSecond{1000};
const std::vector<Kind> kKinds{
    {"h264_aac", 3},
    {"h264_bframes", 3},
    {"h264_open_gop", 1},
    {"h264_intra_refresh", 1},
    {"h264_slices", 3},
    {"h264_interlaced", 3},
    {"h264_short_gops", 15},
    {"h264_one_gop", 1},
    {"h264_intra_only", 75},
    {"h264_cbr_filler", 3},
    {"h264_lossless_large", 3},
    {"h264_no_audio", 3},
    {"h264_variable_rate", 2},
    {"h264_slow", 4},
    {"hevc", 3},
    {"hevc_cra", 1},
    {"hevc_no_b", 3},
    {"mpeg2", 7},
    {"mpeg2_open_gop", 7,
     false},  // A sequence header makes a keyframe; the B pictures that lead it are lost alone.
    {"mpeg2_interlaced", 7},
    {"mpeg1", 7},
    {"mpeg4_part2", 3},
    {"audio_aac", 3, true, kSecond},
    {"audio_mp2", 3, true, kSecond},
    {"audio_opus", 4, true, kSecond},
    {"audio_ac3", 3},
    {"audio_latm", 3},
    {"audio_two_tracks", 3},
    {"audio_longer_than_video", 3},
    {"mux_two_programs", 3},
    {"mux_constant_rate", 3},
    {"mux_tables_at_keyframes", 3},
    {"mux_tables_once", 3},
    {"mux_no_video_length", 3},
    {"mux_video_length", 3},
    {"mux_small_pes", 3},
    {"mux_other_pids", 3},
    {"mux_system_b", 3},
    {"time_wrap", 3},
    {"time_large_offset", 3},
    {"time_jump_ahead", 6},
    {"time_jump_back", 6},
    {"change_size", 5},
    {"change_codec", 6, false},  // libav gives the frames of one codec only where it sees the whole.
    {"change_streams", 15, false},
};

class Collector final : public SegmentSink {
 public:
  Result<void> begin_segment() override {
    segments.emplace_back();
    return {};
  }
  Result<void> write(std::span<const uint8_t> bytes) override {
    segments.back().insert(segments.back().end(), bytes.begin(), bytes.end());
    return {};
  }
  std::vector<ByteVector> segments;
};

struct Cut {
  std::vector<ByteVector> segments;
  TsCutterTotals totals;
};

// In pieces of up to `largest` bytes (whole when 0); the clock goes three seconds from end to end.
Cut cut(const ByteVector& input, TsCutterOptions options, size_t largest = 0, uint32_t seed = 0) {
  FakeClock clock;
  TsCutter cutter(options, clock);
  Collector sink;
  std::mt19937 random(seed);
  const TimePoint begin = clock.now();
  for (size_t at = 0; at < input.size();) {
    const size_t piece = largest == 0 ? kPacket * 8 : 1 + random() % largest;
    const size_t end = std::min(input.size(), at + piece);
    EXPECT_TRUE(cutter.add(std::span(input).subspan(at, end - at), sink));
    at = end;
    if (options.min_segment.count() == 0) continue;
    clock.advance(begin + std::chrono::microseconds(3'000'000 * at / input.size()) - clock.now());
  }
  EXPECT_TRUE(cutter.finish(sink));
  return {std::move(sink.segments), cutter.totals()};
}

// `segments` put together are `input` when the tables that the cutter put in front of them are left out.
void expect_input_again(const Cut& made, const ByteVector& input) {
  ByteVector all;
  for (const ByteVector& segment : made.segments) all.insert(all.end(), segment.begin(), segment.end());
  ASSERT_EQ(all.size() + made.totals.skipped_bytes, input.size() + made.totals.inserted_bytes);
  if (made.totals.skipped_bytes > 0) return;
  size_t at = 0;
  uint64_t inserted = 0;
  for (const ByteVector& segment : made.segments) {
    size_t skip = 0;
    const auto continues = [&] {
      return segment.size() - skip <= input.size() - at &&
             std::equal(segment.begin() + static_cast<std::ptrdiff_t>(skip), segment.end(),
                        input.begin() + static_cast<std::ptrdiff_t>(at));
    };
    while (!continues() && skip + kPacket <= segment.size()) skip += kPacket;
    ASSERT_TRUE(continues());
    inserted += skip;
    at += segment.size() - skip;
  }
  EXPECT_EQ(at, input.size());
  EXPECT_EQ(inserted, made.totals.inserted_bytes);
}

// The first packets of a segment: PAT, then the PMTs, then something else.
void expect_tables_first(const ByteVector& segment) {
  ASSERT_GE(segment.size(), 3 * kPacket);
  EXPECT_EQ(ts::pid_of(segment.data()), ts::kPatPid);
  const auto packet = ts::parse_packet(std::span(segment).subspan(kPacket).first<kPacket>());
  ASSERT_TRUE(packet);
  EXPECT_TRUE(packet->payload_unit_start);
  ASSERT_GE(packet->payload.size(), 2U);
  EXPECT_EQ(packet->payload[1 + packet->payload[0]], 0x02) << "not a PMT";
}

std::string folder() { return std::string(TRICKLE_BIN_DIR) + "/../tests/ts_kinds"; }

// The clips are made once, and kept in the build folder.
ByteVector load(const std::string& name) {
  static const int made = std::system(
      ("flock '" + folder() + ".lock' " + TRICKLE_TEST_DATA_DIR + "/make_ts_kinds '" + folder() + "'")
          .c_str());
  EXPECT_EQ(made, 0);
  EXPECT_TRUE(log::configure("test", "error", log::Format::kText));
  std::ifstream file(folder() + "/" + name + ".ts", std::ios::binary);
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class SplitKinds : public ::testing::TestWithParam<Kind> {};

TEST_P(SplitKinds, SegmentsPutTogetherAreTheInputAndEachDecodesFromItsFirstFrame) {
  const Kind& kind = GetParam();
  const ByteVector input = load(kind.name);
  const Cut made = cut(input, {.min_segment = kind.min_segment});
  EXPECT_EQ(made.segments.size(), kind.segments);
  EXPECT_EQ(made.totals.skipped_bytes, 0U);
  expect_input_again(made, input);
  int frames = 0;
  for (size_t i = 0; i < made.segments.size(); ++i) {
    SCOPED_TRACE("segment " + std::to_string(i));
    if (i > 0) expect_tables_first(made.segments[i]);
    const DecodedVideo video = decode_video(made.segments[i]);
    frames += video.frames;
    if (video.packets == 0) continue;
    EXPECT_TRUE(video.first_packet_is_key);
    EXPECT_TRUE(video.first_frame_is_whole);
    EXPECT_EQ(video.damaged_frames, 0);
  }
  const DecodedVideo whole = decode_video(input);
  if (kind.whole) {
    EXPECT_EQ(frames, whole.frames);
  } else {
    EXPECT_GT(frames, 0);
  }
}

TEST_P(SplitKinds, TheCutDoesNotDependOnThePiecesOfTheInput) {
  const Kind& kind = GetParam();
  const ByteVector input = load(kind.name);
  const TsCutterOptions options{.min_segment = milliseconds(0), .max_segment = milliseconds(1500)};
  const Cut whole = cut(input, options, input.size(), 1);
  for (uint32_t seed = 1; seed <= 6; ++seed) {
    const Cut pieces = cut(input, options, size_t{1} << (2 * seed + 2), seed);
    EXPECT_TRUE(pieces.segments == whole.segments) << "seed " << seed;
  }
}

TEST_P(SplitKinds, TheProbeFindsCodecSizeAndRateOfTheVideoWithoutDecoding) {
  const std::string name = GetParam().name;
  ts::TsProbe probe;
  const ByteVector input = load(name);
  for (size_t at = 0; at < input.size(); at += 1000) {
    probe.add(std::span(input).subspan(at, std::min<size_t>(1000, input.size() - at)));
  }
  const auto streams = probe.streams();
  ASSERT_FALSE(streams.empty());
  if (!ts::can_scan(streams[0].codec)) return;
  ASSERT_TRUE(streams[0].size);
  EXPECT_EQ(*streams[0].size, (ts::VideoSize{160, 120}));
  ASSERT_TRUE(streams[0].fps);
  if (name.starts_with("h264_aac") || name.starts_with("hevc") || name.starts_with("mpeg2")) {
    EXPECT_NEAR(*streams[0].fps, 25, 0.1);
  }
}

INSTANTIATE_TEST_SUITE_P(Of, SplitKinds, ::testing::ValuesIn(kKinds),
                         [](const auto& kind) { return std::string(kind.param.name); });

// What is cut only when a segment is at its longest.
class SplitLate : public SplitKinds {};

TEST_P(SplitLate, RecoveryPointsAndCraPicturesWillDoFromMaxSegmentOn) {
  const ByteVector input = load(GetParam().name);
  const Cut made = cut(input, {.min_segment = milliseconds(0), .max_segment = milliseconds(500)});
  EXPECT_EQ(made.segments.size(), GetParam().segments);
  expect_input_again(made, input);
  for (size_t i = 1; i < made.segments.size(); ++i) expect_tables_first(made.segments[i]);
}

INSTANTIATE_TEST_SUITE_P(Of, SplitLate,
                         ::testing::Values(Kind{"h264_open_gop", 3}, Kind{"h264_intra_refresh", 3},
                                           Kind{"hevc_cra", 3}, Kind{"h264_one_gop", 1}),
                         [](const auto& kind) { return std::string(kind.param.name); });

// Damage. `damage` changes a good stream; what comes out is accounted for, and the stream goes on behind it.
struct Damage {
  const char* name;
  std::function<ByteVector(ByteVector, std::mt19937&)> apply;
  bool keeps_tables = true;
};
void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

ByteVector without_packets(const ByteVector& input, const std::function<bool(const uint8_t*)>& drop) {
  ByteVector rest;
  for (size_t at = 0; at + kPacket <= input.size(); at += kPacket) {
    if (!drop(input.data() + at)) rest.insert(rest.end(), &input[at], &input[at] + kPacket);
  }
  return rest;
}

bool is_pmt(const uint8_t* packet) { return ts::pid_of(packet) == 0x1000; }
bool is_pat(const uint8_t* packet) { return ts::pid_of(packet) == ts::kPatPid; }

ByteVector insert_garbage(const ByteVector& input, std::mt19937& random) {
  ByteVector out;
  for (size_t at = 0; at < input.size(); at += kPacket) {
    if (random() % 20 == 0) {
      for (size_t i = random() % 400; i > 0; --i) out.push_back(static_cast<uint8_t>(random()));
    }
    out.insert(out.end(), &input[at], &input[at] + kPacket);
  }
  return out;
}

const std::vector<Damage> kDamages{
    {"truncated_in_a_packet",
     [](ByteVector input, std::mt19937& random) {
       input.resize(input.size() / 2 + 1 + random() % 187);
       return input;
     }},
    {"begun_in_a_packet",
     [](ByteVector input, std::mt19937& random) {
       input.erase(input.begin(), input.begin() + 20 * kPacket + 1 + random() % 187);
       return input;
     }},
    {"flipped_bits",
     [](ByteVector input, std::mt19937& random) {
       for (int i = 0; i < 300; ++i)
         input[random() % input.size()] ^= static_cast<uint8_t>(1U << random() % 8);
       return input;
     }},
    {"flipped_sync_bytes",
     [](ByteVector input, std::mt19937& random) {
       for (size_t at = 0; at < input.size(); at += kPacket) input[at] ^= random() % 10 == 0 ? 0x10 : 0;
       return input;
     }},
    {"lost_packets",
     [](const ByteVector& input, std::mt19937& random) {
       return without_packets(input, [&](const uint8_t*) { return random() % 20 == 0; });
     }},
    {"lost_bytes",
     [](ByteVector input, std::mt19937& random) {
       for (int i = 0; i < 10; ++i) {
         const auto at = input.begin() + static_cast<std::ptrdiff_t>(random() % (input.size() - 1000));
         input.erase(at, at + static_cast<std::ptrdiff_t>(random() % 900));
       }
       return input;
     }},
    {"garbage_between_packets", insert_garbage},
    {"doubled_packets",
     [](const ByteVector& input, std::mt19937& random) {
       ByteVector out;
       for (size_t at = 0; at < input.size(); at += kPacket) {
         for (int i = random() % 10 == 0 ? 2 : 1; i > 0; --i)
           out.insert(out.end(), &input[at], &input[at] + kPacket);
       }
       return out;
     }},
    {"zeroed_blocks",
     [](ByteVector input, std::mt19937& random) {
       for (int i = 0; i < 5; ++i) {
         std::fill_n(input.begin() + static_cast<std::ptrdiff_t>(random() % (input.size() - 5000)), 5000, 0);
       }
       return input;
     }},
    {"no_pat", [](const ByteVector& input, std::mt19937&) { return without_packets(input, is_pat); }, false},
    {"no_pmt", [](const ByteVector& input, std::mt19937&) { return without_packets(input, is_pmt); }, false},
    {"no_tables",
     [](const ByteVector& input, std::mt19937&) {
       return without_packets(input, [](const uint8_t* packet) { return is_pat(packet) || is_pmt(packet); });
     },
     false},
};

class SplitDamaged : public ::testing::TestWithParam<Damage> {};

TEST_P(SplitDamaged, StreamsAreAccountedForAndGoOnBehindTheDamage) {
  int never_cut = 0;  // Where no keyframe was left whole.
  for (const char* source : {"h264_aac", "hevc_no_b", "mpeg2", "mux_two_programs"}) {
    for (uint32_t seed = 1; seed <= 5; ++seed) {
      SCOPED_TRACE(std::string(source) + ", seed " + std::to_string(seed));
      std::mt19937 random(seed);
      const ByteVector input = GetParam().apply(load(source), random);
      const TsCutterOptions options{.min_segment = milliseconds(0)};
      const Cut made = cut(input, options);
      expect_input_again(made, input);
      EXPECT_TRUE(cut(input, options, 997, seed).segments == made.segments);
      if (made.segments.size() < 2) ++never_cut;
      if (!GetParam().keeps_tables) continue;
      for (size_t i = 1; i < made.segments.size(); ++i) expect_tables_first(made.segments[i]);
    }
  }
  EXPECT_LE(never_cut, 10);  // Of 20.
}

INSTANTIATE_TEST_SUITE_P(By, SplitDamaged, ::testing::ValuesIn(kDamages),
                         [](const auto& kind) { return std::string(kind.param.name); });

}  // namespace
}  // namespace trickle
