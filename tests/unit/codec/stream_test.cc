// Frame streams and encoded streams through pipes, as tools read and write them.
#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <cstring>
#include <string>
#include <vector>

#include "base/log.h"
#include "codec/open.h"
#include "io/fd_io.h"

namespace trickle {
namespace {

using std::chrono::milliseconds;

StreamInfo picture_info(int width = 64, int height = 48, PixelFormat format = PixelFormat::kYuv420p) {
  StreamInfo info;
  info.video = VideoTrackInfo{width, height, format, {1, 90000}, {30, 1}, {}, {}};
  return info;
}

VideoFrame picture(int64_t ticks, int width = 64, int height = 48, PixelFormat format = PixelFormat::kYuv420p,
                   uint8_t value = 100) {
  VideoFrame frame = make_video_frame(format, width, height);
  std::memset(frame.planes[0].data, value, packed_picture_bytes(format, width, height));
  frame.timestamp = {ticks, {1, 90000}};
  frame.duration_ticks = 3000;
  return frame;
}

AudioPacket sound(int64_t ticks, std::string_view bytes) {
  AudioPacket packet;
  packet.timestamp = {ticks, {1, 90000}};
  packet.duration_ticks = 1920;
  packet.data = reinterpret_cast<const uint8_t*>(bytes.data());
  packet.size_bytes = bytes.size();
  return packet;
}

class Streams : public ::testing::Test {
 protected:
  Streams() : pipe_(*make_pipe()) { grow_pipe(pipe_.write_end.get(), 1 << 20); }
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);  // As the tools do.
    ASSERT_TRUE(log::configure("test", "error", log::Format::kText));
  }
  void close_writer() { pipe_.write_end.reset(); }
  Result<OpenedInput> open(const DecodeOptions& options = {},
                           std::shared_ptr<ShapeControl> control = nullptr) {
    return open_input(pipe_.read_end.get(), options, counters_, stop_.token(), std::move(control));
  }
  std::unique_ptr<FrameSink> frames(const StreamInfo& info) {
    auto sink = open_frame_output(pipe_.write_end.get(), info, written_);
    EXPECT_TRUE(sink);
    return *std::move(sink);
  }
  void write_text(std::string_view text) {
    ASSERT_TRUE(write_full(pipe_.write_end.get(), std::as_bytes(std::span(text))));
  }

  Pipe pipe_;
  Counters counters_;
  Counters written_;
  StopSource stop_;
};

VideoItem next_picture(FrameSource& source) {
  while (true) {
    auto item = source.read();
    if (!item || !*item) {
      ADD_FAILURE() << "no picture came";
      return {};
    }
    if (auto* video = std::get_if<VideoItem>(&**item)) return std::move(*video);
  }
}

TEST_F(Streams, EachFrameIsThereAsSoonAsItWasWritten) {
  auto sink = frames(picture_info());
  ASSERT_TRUE(sink->write(VideoItem{picture(126000)}));
  auto input = open();
  ASSERT_TRUE(input);
  EXPECT_EQ(input->kind, InputKind::kFrames);
  for (int i = 0; i < 5; ++i) {
    const VideoItem item = next_picture(*input->source);  // Would hang if anything were held back.
    EXPECT_EQ(item.frame.timestamp.ticks, 126000 + i * 3003);
    EXPECT_EQ(item.frame.timestamp.time_base, (Rational{1, 90000}));
    ASSERT_TRUE(sink->write(VideoItem{picture(126000 + (i + 1) * 3003)}));
  }
}

TEST_F(Streams, FramesReadFromAPipeAreOursToChange) {
  auto sink = frames(picture_info());
  ASSERT_TRUE(sink->write(VideoItem{picture(0)}));
  auto input = open();
  ASSERT_TRUE(input);
  const VideoItem item = next_picture(*input->source);
  EXPECT_TRUE(item.frame.writable());
  EXPECT_EQ(item.frame.planes[0].data[0], 100);
}

TEST_F(Streams, EveryPixelFormatArrivesAsItLeft) {
  for (int i = 1; i <= static_cast<int>(PixelFormat::kGbrp); ++i) {
    const auto format = static_cast<PixelFormat>(i);
    pipe_ = *make_pipe();
    grow_pipe(pipe_.write_end.get(), 1 << 20);
    auto sink = frames(picture_info(66, 50, format));
    const VideoFrame sent = picture(3000, 66, 50, format, 77);
    sent.planes[0].data[5] = 200;
    ASSERT_TRUE(sink->write(VideoItem{sent}));
    auto input = open();
    ASSERT_TRUE(input) << pixel_format_info(format).name;
    const VideoItem got = next_picture(*input->source);
    EXPECT_EQ(got.frame.format, format);
    EXPECT_EQ(
        std::memcmp(got.frame.planes[0].data, sent.planes[0].data, packed_picture_bytes(format, 66, 50)), 0)
        << pixel_format_info(format).name;
  }
}

TEST_F(Streams, SizeAndColourMayChangeInMidStream) {
  auto sink = frames(picture_info());
  ASSERT_TRUE(sink->write(VideoItem{picture(0)}));
  VideoFrame changed = picture(3000, 128, 96);
  changed.color = {1, 1, 1, ColorProperties::Range::kFull};
  changed.field_order = FieldOrder::kTopFirst;
  changed.sample_aspect = {4, 3};
  ASSERT_TRUE(sink->write(VideoItem{changed}));
  ASSERT_TRUE(sink->write(VideoItem{picture(6000)}));
  auto input = open();
  ASSERT_TRUE(input);
  EXPECT_EQ(next_picture(*input->source).frame.width, 64);
  const VideoItem second = next_picture(*input->source);
  EXPECT_EQ(second.frame.width, 128);
  EXPECT_EQ(second.frame.height, 96);
  EXPECT_EQ(second.frame.color, changed.color);
  EXPECT_EQ(second.frame.field_order, FieldOrder::kTopFirst);
  EXPECT_EQ(second.frame.sample_aspect, (Rational{4, 3}));
  const VideoItem third = next_picture(*input->source);
  EXPECT_EQ(third.frame.width, 64);
  EXPECT_EQ(third.frame.color, ColorProperties{});
}

TEST_F(Streams, RowsWithPaddingArePackedOnTheWay) {
  auto sink = frames(picture_info(32, 24, PixelFormat::kGray8));
  VideoFrame wide = picture(0, 64, 24, PixelFormat::kGray8, 9);
  wide.width = 32;
  for (int row = 0; row < 24; ++row) wide.planes[0].data[row * 64 + 31] = static_cast<uint8_t>(row);
  ASSERT_TRUE(sink->write(VideoItem{wide}));
  auto input = open();
  ASSERT_TRUE(input);
  const VideoItem got = next_picture(*input->source);
  for (int row = 0; row < 24; ++row) EXPECT_EQ(got.frame.planes[0].data[row * 32 + 31], row);
}

TEST_F(Streams, AudioPassesUntouchedBesideThePicture) {
  StreamInfo info = picture_info();
  info.audio.push_back({"aac", 48000, 2, {1, 90000}, 1024, {}});
  auto sink = frames(info);
  ASSERT_TRUE(sink->write(AudioItem{sound(3840, "first")}));
  ASSERT_TRUE(sink->write(VideoItem{picture(3000)}));
  ASSERT_TRUE(sink->write(AudioItem{sound(5760, "second")}));
  ASSERT_TRUE(sink->finish());
  close_writer();
  auto input = open();
  ASSERT_TRUE(input);
  ASSERT_EQ(input->source->info().audio.size(), 1u);
  EXPECT_EQ(input->source->info().audio[0].codec, "aac");
  std::string text;
  while (true) {
    auto item = input->source->read();
    ASSERT_TRUE(item);
    if (!*item) break;
    if (const auto* audio = std::get_if<AudioItem>(&**item)) {
      text.append(reinterpret_cast<const char*>(audio->packet.data), audio->packet.size_bytes);
      EXPECT_NEAR(audio->packet.timestamp.seconds(), text.size() > 5 ? 0.064 : 3840 / 90000.0, 1e-4);
    }
  }
  EXPECT_EQ(text, "firstsecond");
}

TEST_F(Streams, AFrameThatWasCutShortIsCountedNotPassedOn) {
  Pipe copy = *make_pipe();
  grow_pipe(copy.write_end.get(), 1 << 20);
  {
    auto sink = open_frame_output(copy.write_end.get(), picture_info(), written_);
    ASSERT_TRUE(sink);
    for (int i = 0; i < 2; ++i) ASSERT_TRUE((*sink)->write(VideoItem{picture(i * 3000)}));
  }
  copy.write_end.reset();
  std::vector<std::byte> bytes(64 * 1024);
  const auto read = read_full(copy.read_end.get(), bytes, {});
  ASSERT_TRUE(read);
  ASSERT_TRUE(write_full(pipe_.write_end.get(), std::span(bytes).first(read->size_bytes - 100)));
  close_writer();
  auto input = open();
  ASSERT_TRUE(input);
  EXPECT_EQ(next_picture(*input->source).frame.timestamp.ticks, 0);
  const auto end = input->source->read();
  ASSERT_TRUE(end);
  EXPECT_FALSE(*end);
  EXPECT_EQ(counters_.drops(Drop::kDamaged), 1u);
}

TEST_F(Streams, NothingIsEmptyAndNonsenseIsBadData) {
  close_writer();
  auto nothing = open();
  ASSERT_TRUE(nothing);
  EXPECT_EQ(nothing->kind, InputKind::kEmpty);

  pipe_ = *make_pipe();
  write_text(std::string(5000, 'x'));
  close_writer();
  auto nonsense = open();
  ASSERT_FALSE(nonsense);
  EXPECT_EQ(nonsense.error().kind(), ErrorKind::kBadData);
}

TEST_F(Streams, AStopEndsTheWaitForTheFirstFrame) {
  write_text("nut/");
  stop_.request_stop();
  auto input = open();
  ASSERT_FALSE(input);
  EXPECT_EQ(input.error().kind(), ErrorKind::kCancelled);
}

TEST_F(Streams, AReaderThatWentAwayIsClosed) {
  auto sink = frames(picture_info());
  pipe_.read_end.reset();
  const auto written = sink->write(VideoItem{picture(0)});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind(), ErrorKind::kClosed);
}

TEST_F(Streams, SizeRateAndFormatAreAsAskedForFrameStreamsToo) {
  auto sink = frames(picture_info());
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(sink->write(VideoItem{picture(i * 3000)}));
  close_writer();
  auto control = std::make_shared<ShapeControl>();
  DecodeOptions options;
  options.size = PictureSize{32, 32};
  options.max_fps = 15;
  options.format = PixelFormat::kRgb24;
  auto input = open(options, control);
  ASSERT_TRUE(input);
  EXPECT_EQ(input->source->info().video->width, 32);
  EXPECT_EQ(input->source->info().video->format, PixelFormat::kRgb24);
  EXPECT_EQ(next_picture(*input->source).frame.format, PixelFormat::kRgb24);
  control->set({PictureSize{16, 16}, std::nullopt});
  const VideoItem second = next_picture(*input->source);
  EXPECT_EQ(second.frame.width, 16);
  EXPECT_EQ(second.frame.timestamp.ticks, 6000);
}

// What is encoded is decoded again, picture by picture, without waiting for the next.
TEST_F(Streams, EncodedPicturesComeOutOneForOneWithTheirTimes) {
  EncodeOptions options;
  options.preset = "ultrafast";
  auto sink = open_encoded_output(pipe_.write_end.get(), picture_info(), options, written_);
  ASSERT_TRUE(sink);
  const std::array<int64_t, 6> ticks{126000, 129003, 132006, 150000, 150001, 159000};
  for (const int64_t t : ticks) ASSERT_TRUE((*sink)->write(VideoItem{picture(t)}));
  EXPECT_EQ(written_.frames_out, ticks.size());
  auto input = open();
  ASSERT_TRUE(input) << input.error().to_string();
  EXPECT_EQ(input->kind, InputKind::kEncoded);
  for (const int64_t t : ticks) EXPECT_EQ(next_picture(*input->source).frame.timestamp.ticks, t);
}

TEST_F(Streams, TheEncoderStartsAnewWhereTheSizeChanges) {
  EncodeOptions options;
  options.preset = "ultrafast";
  auto sink = open_encoded_output(pipe_.write_end.get(), picture_info(), options, written_);
  ASSERT_TRUE(sink);
  ASSERT_TRUE((*sink)->write(VideoItem{picture(126000)}));
  ASSERT_TRUE((*sink)->write(VideoItem{picture(129000, 128, 96)}));
  ASSERT_TRUE((*sink)->write(VideoItem{picture(132000, 128, 96)}));
  ASSERT_TRUE((*sink)->finish());
  close_writer();
  auto input = open();
  ASSERT_TRUE(input);
  EXPECT_EQ(next_picture(*input->source).frame.width, 64);
  EXPECT_EQ(next_picture(*input->source).frame.width, 128);
  EXPECT_EQ(next_picture(*input->source).frame.timestamp.ticks, 132000);
  EXPECT_EQ(counters_.drops_total(), 0u);
}

TEST_F(Streams, AnUnknownEncoderOrOptionIsRefusedWithASentence) {
  EncodeOptions options;
  options.codec = "libnonsense";
  auto refused = open_encoded_output(pipe_.write_end.get(), picture_info(), options, written_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::kUsage);
  options.codec = "libx264";
  options.options = {{"no_such_option", "1"}};
  refused = open_encoded_output(pipe_.write_end.get(), picture_info(), options, written_);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().to_string().find("no_such_option"), std::string::npos);
}

}  // namespace
}  // namespace trickle
