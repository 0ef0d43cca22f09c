// Playlists: what is said of segments, and what of a channel is listed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trickle/channel_store.h"
#include "trickle/hls_channels.h"
#include "trickle/hls_playlist.h"
#include "unit/media/ts_writer.h"

namespace trickle {
namespace {

using namespace std::chrono_literals;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr int64_t kSecond = ts::kTicksPerSecond;

HlsSegment media_segment(SegmentNumber number, int64_t begin, int64_t ticks) {
  return {.number = number, .media = ts::TimeSpan{begin, begin + ticks, {}}, .lasted = 100s};
}

TEST(HlsPlaylist, ListsSegmentsWithTheirDurations) {
  HlsPlaylist playlist;
  EXPECT_TRUE(playlist.empty());
  playlist.add(media_segment(7, 1000, 2 * kSecond));
  playlist.add(media_segment(8, 1000 + 2 * kSecond, kSecond / 2));
  EXPECT_EQ(playlist.text(false, "?.ts"),
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n"
            "#EXT-X-DISCONTINUITY-SEQUENCE:0\n"
            "#EXTINF:2.000000,\n7?.ts\n#EXTINF:0.500000,\n8?.ts\n");
  EXPECT_THAT(playlist.text(true, ""), EndsWith("8\n#EXT-X-ENDLIST\n"));
}

TEST(HlsPlaylist, TheClockOnTheWallCountsWhereThereAreNoTimestamps) {
  HlsPlaylist playlist;
  playlist.add({.number = 0, .lasted = 1500ms});
  playlist.add({.number = 1, .lasted = 0ms});
  const std::string text = playlist.text(false, "");
  EXPECT_THAT(text, HasSubstr("#EXTINF:1.500000,\n0\n#EXTINF:0.001000,\n1\n"));
  EXPECT_THAT(text, HasSubstr("TARGETDURATION:2\n"));
}

TEST(HlsPlaylist, MarksJumpsOfTimeAndCountsTheMarksThatLeft) {
  HlsPlaylist playlist;
  playlist.add(media_segment(0, 0, kSecond));
  playlist.add(media_segment(1, kSecond + kSecond / 10, kSecond));  // A frame late is no jump.
  playlist.add(media_segment(2, 0, kSecond));
  playlist.add(media_segment(3, 3 * kSecond, kSecond));
  EXPECT_THAT(
      playlist.text(false, ""),
      EndsWith("0\n#EXTINF:1.000000,\n0\n#EXTINF:1.000000,\n1\n#EXT-X-DISCONTINUITY\n#EXTINF:1.000000,\n2\n"
               "#EXT-X-DISCONTINUITY\n#EXTINF:1.000000,\n3\n"));
  playlist.forget_below(2);
  EXPECT_THAT(playlist.text(false, ""),
              HasSubstr("MEDIA-SEQUENCE:2\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-DISC"));
  playlist.forget_below(3);
  EXPECT_THAT(playlist.text(false, ""), HasSubstr("MEDIA-SEQUENCE:3\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n"));
}

TEST(HlsPlaylist, AWrapOfTheTimestampsIsNoJump) {
  HlsPlaylist playlist;
  playlist.add(media_segment(0, ts::kTimestampWrap - kSecond, kSecond));
  playlist.add(media_segment(1, 0, kSecond));
  EXPECT_THAT(playlist.text(false, ""), Not(HasSubstr("#EXT-X-DISCONTINUITY\n")));
}

TEST(HlsPlaylist, AnotherKindOfStreamIsADiscontinuity) {
  HlsPlaylist playlist;
  HlsSegment first = media_segment(0, 0, kSecond);
  first.media->streams = {{.pid = 256, .stream_type = 0x1b, .codec = ts::Codec::kH264, .descriptors = {}}};
  HlsSegment second = media_segment(1, kSecond, kSecond);
  second.media->streams = {{.pid = 256, .stream_type = 0x24, .codec = ts::Codec::kHevc, .descriptors = {}}};
  playlist.add(first);
  playlist.add(second);
  EXPECT_THAT(playlist.text(false, ""), HasSubstr("#EXT-X-DISCONTINUITY\n"));
}

TEST(HlsPlaylist, TheSequenceGoesOnByOneOverMissingNumbers) {
  HlsPlaylist playlist;
  playlist.add(media_segment(3, 0, kSecond));
  playlist.add(media_segment(5, 2 * kSecond, kSecond));
  playlist.add(media_segment(4, kSecond, kSecond));  // Too late: it would have to go in between.
  EXPECT_THAT(playlist.text(false, ""), EndsWith("3\n#EXT-X-DISCONTINUITY\n#EXTINF:1.000000,\n5\n"));
  playlist.forget_below(5);
  EXPECT_THAT(playlist.text(false, ""), HasSubstr("MEDIA-SEQUENCE:4\n"));
  playlist.forget_below(6);
  EXPECT_TRUE(playlist.empty());
  playlist.add(media_segment(9, 0, kSecond));
  EXPECT_THAT(playlist.text(false, ""), HasSubstr("MEDIA-SEQUENCE:8\n"));
}

TEST(HlsPlaylist, TheTargetNeverFalls) {
  HlsPlaylist playlist;
  playlist.add(media_segment(0, 0, 7 * kSecond));
  playlist.add(media_segment(1, 7 * kSecond, kSecond));
  playlist.forget_below(1);
  EXPECT_THAT(playlist.text(false, ""), HasSubstr("TARGETDURATION:7\n"));
}

// A second of video at 10 frames a second from `begin` on, tables first.
std::string second_of_video(int64_t begin) {
  testing::TsWriter writer;
  testing::ByteVector bytes = writer.pat();
  testing::append(bytes, writer.pmt());
  for (int frame = 0; frame < 10; ++frame) {
    testing::append(bytes, writer.pes(testing::TsWriter::kVideoPid, begin + frame * kSecond / 10,
                                      testing::TsWriter::h264(frame == 0, 300)));
  }
  return {bytes.begin(), bytes.end()};
}

ts::Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

TEST(DurationScanner, MeasuresFromTheFirstFrameToTheEndOfTheLast) {
  const std::string clip = second_of_video(5 * kSecond);
  for (const size_t step : {size_t{1}, size_t{187}, size_t{188}, size_t{1000}, clip.size()}) {
    ts::DurationScanner scanner;
    for (size_t at = 0; at < clip.size(); at += step)
      scanner.add(as_bytes(std::string_view(clip).substr(at, step)));
    const auto span = scanner.result();
    ASSERT_TRUE(span) << step;
    EXPECT_EQ(span->begin, 5 * kSecond);
    EXPECT_EQ(span->end, 6 * kSecond);
    EXPECT_EQ(span->streams.size(), 2u);
  }
}

TEST(DurationScanner, FindsItsWayThroughDamageAndAcrossAWrap) {
  ts::DurationScanner scanner;
  scanner.add(as_bytes("rubbish" + second_of_video(ts::kTimestampWrap - kSecond / 2)));
  const auto span = scanner.result();
  ASSERT_TRUE(span);
  EXPECT_EQ(span->begin, ts::kTimestampWrap - kSecond / 2);
  EXPECT_EQ(span->end - span->begin, kSecond);
}

TEST(DurationScanner, NeedsOnlyTheBeginningAndTheEnd) {
  const std::string begin = second_of_video(0);
  const std::string end = second_of_video(99 * kSecond);
  ts::DurationScanner scanner;
  scanner.add(as_bytes(begin));
  scanner.skip();
  scanner.add(as_bytes(end.substr(1000)));
  const auto span = scanner.result();
  ASSERT_TRUE(span);
  EXPECT_EQ(span->begin, 0);
  EXPECT_EQ(span->end, 100 * kSecond);
}

TEST(DurationScanner, KnowsNoTimesInWhatIsNoTransportStream) {
  ts::DurationScanner scanner;
  scanner.add(as_bytes(std::string(5000, 'x') + "{\"keep\":\"alive\"}"));
  scanner.add(as_bytes(std::string(2000, 'G')));
  EXPECT_FALSE(scanner.result());
}

class ChannelPlaylist : public ::testing::Test {
 protected:
  struct Listener final : WriterListener {
    void on_writer_ended(WriterEnd) override {}
  };
  void SetUp() override { ASSERT_EQ(store_->create("cam", {}, true), CreateStatus::kCreated); }

  std::unique_ptr<SegmentWriter> begin(SegmentNumber number, std::string_view bytes) {
    WriteRequest request;
    request.channel = "cam";
    request.number = number;
    auto grant = store_->open_write(request, listener_);
    EXPECT_EQ(grant.status, WriteStatus::kGranted);
    if (!bytes.empty()) {
      EXPECT_EQ(grant.writer->append(bytes), AppendStatus::kTaken);
    }
    return std::move(grant.writer);
  }
  void write(SegmentNumber number, std::string_view bytes) { begin(number, bytes)->finish(); }
  std::string text() { return channels_.update(*store_->find("cam"), *store_).text(false, ""); }

  FakeClock clock_;
  Listener listener_;
  std::unique_ptr<ChannelStore> store_ = make_memory_store({.window = 3}, clock_);
  HlsChannels channels_;
};

TEST_F(ChannelPlaylist, ListsOnlySegmentsThatAreCompleteAndHaveBytes) {
  EXPECT_TRUE(channels_.update(*store_->find("cam"), *store_).empty());
  write(0, second_of_video(0));
  write(1, "");
  auto open = begin(2, second_of_video(kSecond));
  EXPECT_THAT(text(), EndsWith("#EXTINF:1.000000,\n0\n"));
  open->finish();
  EXPECT_THAT(text(), EndsWith("#EXTINF:1.000000,\n0\n#EXTINF:1.000000,\n2\n"));
}

TEST_F(ChannelPlaylist, WaitsForASegmentThatMayStillEndAndPassesOverOneThatWontSoon) {
  write(0, second_of_video(0));
  auto open = begin(1, second_of_video(kSecond));
  write(2, second_of_video(2 * kSecond));
  EXPECT_THAT(text(), EndsWith("#EXTINF:1.000000,\n0\n"));
  open.reset();  // Its writer vanished, and the stream went on.
  EXPECT_THAT(text(), EndsWith("\n0\n#EXT-X-DISCONTINUITY\n#EXTINF:1.000000,\n2\n"));
}

TEST_F(ChannelPlaylist, MeasuresALargeSegmentByItsEnds) {
  auto open = begin(0, second_of_video(0));
  testing::TsWriter writer;
  const testing::ByteVector packet = writer.null_packet();
  std::string filler;
  for (int i = 0; i < 1000; ++i) filler.append(packet.begin(), packet.end());
  for (int i = 0; i < 40; ++i) ASSERT_EQ(open->append(filler), AppendStatus::kTaken);
  ASSERT_EQ(open->append(second_of_video(9 * kSecond)), AppendStatus::kTaken);
  open->finish();
  EXPECT_THAT(text(), EndsWith("#EXTINF:10.000000,\n0\n"));
}

TEST_F(ChannelPlaylist, FollowsTheWindow) {
  for (int number = 0; number < 5; ++number) write(number, second_of_video(number * kSecond));
  EXPECT_THAT(text(), HasSubstr("MEDIA-SEQUENCE:2\n"));
  write(5, second_of_video(5 * kSecond));
  EXPECT_THAT(text(), HasSubstr("MEDIA-SEQUENCE:3\n"));
  EXPECT_THAT(text(), EndsWith("3\n#EXTINF:1.000000,\n4\n#EXTINF:1.000000,\n5\n"));
}

TEST_F(ChannelPlaylist, WithoutTimestampsASegmentLastsAsLongAsItWasWritten) {
  auto open = begin(0, "a");
  clock_.advance(1500ms);
  open->finish();
  clock_.advance(700ms);
  write(1, "posted at once, 0.7 s after the one before");
  EXPECT_THAT(text(), EndsWith("#EXTINF:1.500000,\n0\n#EXTINF:0.700000,\n1\n"));
}

TEST_F(ChannelPlaylist, IsKeptForAMinuteAfterTheEnd) {
  write(0, second_of_video(0));
  EXPECT_FALSE(channels_.ended("cam", *store_));
  text();
  EXPECT_FALSE(channels_.ended("cam", *store_));
  store_->remove("cam");
  ASSERT_TRUE(channels_.ended("cam", *store_));
  EXPECT_THAT(channels_.ended("cam", *store_)->text(true, ""), EndsWith("0\n#EXT-X-ENDLIST\n"));
  channels_.sweep(*store_, clock_.now());
  clock_.advance(59s);
  channels_.sweep(*store_, clock_.now());
  EXPECT_TRUE(channels_.ended("cam", *store_));
  clock_.advance(1s);
  channels_.sweep(*store_, clock_.now());
  EXPECT_FALSE(channels_.ended("cam", *store_));
}

TEST_F(ChannelPlaylist, AChannelThatBeginsAnewBeginsAnewHereToo) {
  for (int number = 0; number < 4; ++number) write(number, second_of_video(number * kSecond));
  text();
  store_->remove("cam");
  ASSERT_EQ(store_->create("cam", {}, true), CreateStatus::kCreated);
  write(0, second_of_video(0));
  EXPECT_THAT(text(), HasSubstr("MEDIA-SEQUENCE:0\n"));
}

}  // namespace
}  // namespace trickle
