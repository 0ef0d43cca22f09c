// Frame streams whose pictures travel through shared memory: what arrives is what went in.
#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <string>

#include "base/log.h"
#include "codec/open.h"
#include "io/fd_io.h"
#include "media/shm_pool.h"
#include "media/shm_region.h"

namespace trickle {
namespace {

StreamInfo picture_info(int width, int height, PixelFormat format) {
  StreamInfo info;
  info.video = VideoTrackInfo{width, height, format, {1, 90000}, {30, 1}, {}, {}};
  info.audio.push_back({"aac", 44100, 1, {1, 90000}, 1024, {}});
  return info;
}

void paint(const VideoFrame& frame, uint8_t seed) {
  for (int plane = 0; plane < pixel_format_info(frame.format).planes; ++plane) {
    for (int row = 0; row < plane_rows(frame.format, plane, frame.height); ++row) {
      uint8_t* data = frame.planes[static_cast<size_t>(plane)].data +
                      row * frame.planes[static_cast<size_t>(plane)].stride_bytes;
      std::memset(data, seed + plane * 50 + row, plane_row_bytes(frame.format, plane, frame.width));
    }
  }
}

bool same_pixels(const VideoFrame& a, const VideoFrame& b) {
  for (int plane = 0; plane < pixel_format_info(a.format).planes; ++plane) {
    const auto& from = a.planes[static_cast<size_t>(plane)];
    const auto& to = b.planes[static_cast<size_t>(plane)];
    for (int row = 0; row < plane_rows(a.format, plane, a.height); ++row) {
      if (std::memcmp(from.data + row * from.stride_bytes, to.data + row * to.stride_bytes,
                      plane_row_bytes(a.format, plane, a.width)) != 0) {
        return false;
      }
    }
  }
  return true;
}

class SharedStreams : public ::testing::Test {
 protected:
  SharedStreams() : pipe_(*make_pipe()) {}
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);
    ASSERT_TRUE(log::configure("test", "error", log::Format::kText));
  }
  void connect(int width, int height, PixelFormat format) {
    sink_ = *open_frame_output(pipe_.write_end.get(), picture_info(width, height, format), written_, memory_);
    // The first picture goes through the pipe: nobody has taken the offer yet.
    VideoFrame first = make(format, width, height, 0);
    ASSERT_TRUE(sink_->write(VideoItem{std::move(first), {}}));
    auto input = open_input(pipe_.read_end.get(), {}, counters_, stop_.token());
    ASSERT_TRUE(input) << input.error().to_string();
    source_ = std::move(input->source);
    EXPECT_FALSE(shared(next_picture()));
  }
  VideoFrame make(PixelFormat format, int width, int height, uint8_t seed) {
    VideoFrame frame = make_padded_frame(*memory_, format, width, height);
    paint(frame, seed);
    frame.timestamp = {seed * 3003, {1, 90000}};
    frame.duration_ticks = 3003;
    return frame;
  }
  FrameItem next() {
    auto item = source_->read();
    if (!item || !*item) {
      ADD_FAILURE() << "nothing came";
      return VideoItem{};
    }
    return std::move(**item);
  }
  VideoFrame next_picture() {
    FrameItem item = next();
    auto* video = std::get_if<VideoItem>(&item);
    if (video == nullptr) {
      ADD_FAILURE() << "no picture came";
      return {};
    }
    return std::move(video->frame);
  }
  static bool shared(const VideoFrame& frame) {
    return SharedRegion::find(frame.planes[0].data, 1) != nullptr;
  }

  Pipe pipe_;
  Counters counters_, written_;
  StopSource stop_;
  std::shared_ptr<FrameMemory> memory_ = make_shared_memory();
  std::unique_ptr<FrameSink> sink_;
  std::unique_ptr<FrameSource> source_;
};

TEST_F(SharedStreams, EveryPixelFormatArrivesAsItLeftWithoutGoingThroughThePipe) {
  for (int i = 1; i <= static_cast<int>(PixelFormat::kGbrp); ++i) {
    const auto format = static_cast<PixelFormat>(i);
    pipe_ = *make_pipe();
    connect(66, 50, format);
    const uint64_t before = written_.bytes_out;
    const VideoFrame sent = make(format, 66, 50, 9);
    ASSERT_TRUE(sink_->write(VideoItem{sent, {}}));
    const VideoFrame got = next_picture();
    EXPECT_TRUE(shared(got)) << pixel_format_info(format).name;
    EXPECT_TRUE(same_pixels(sent, got)) << pixel_format_info(format).name;
    EXPECT_EQ(got.timestamp.ticks, 9 * 3003);
    EXPECT_LT(written_.bytes_out - before, 400U);
  }
}

TEST_F(SharedStreams, FramesFromElsewhereAreCopiedIntoASlot) {
  connect(64, 48, PixelFormat::kRgb24);
  VideoFrame sent = make_video_frame(PixelFormat::kRgb24, 64, 48);
  paint(sent, 5);
  ASSERT_TRUE(sink_->write(VideoItem{sent, {}}));
  const VideoFrame got = next_picture();
  EXPECT_TRUE(shared(got));
  EXPECT_TRUE(same_pixels(sent, got));
  EXPECT_TRUE(got.writable());
}

TEST_F(SharedStreams, SizeColourAudioAndTimesTravelAsInThePipe) {
  connect(64, 48, PixelFormat::kYuv420p);
  ASSERT_TRUE(sink_->write(VideoItem{make(PixelFormat::kYuv420p, 64, 48, 1), {}}));
  VideoFrame large = make(PixelFormat::kYuv420p, 320, 240, 2);
  large.color = {1, 1, 1, ColorProperties::Range::kFull};
  large.field_order = FieldOrder::kTopFirst;
  const std::string sound = "an audio packet";
  AudioPacket audio;
  audio.timestamp = {6000, {1, 90000}};
  audio.data = reinterpret_cast<const uint8_t*>(sound.data());
  audio.size_bytes = sound.size();
  ASSERT_TRUE(sink_->write(AudioItem{audio, {}}));
  ASSERT_TRUE(sink_->write(VideoItem{large, {}}));
  EXPECT_EQ(next_picture().width, 64);
  const FrameItem item = next();
  ASSERT_TRUE(std::holds_alternative<AudioItem>(item));
  const AudioPacket& packet = std::get<AudioItem>(item).packet;
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(packet.data), packet.size_bytes), sound);
  const VideoFrame got = next_picture();
  EXPECT_EQ(got.width, 320);
  EXPECT_EQ(got.height, 240);
  EXPECT_EQ(got.color, large.color);
  EXPECT_EQ(got.field_order, FieldOrder::kTopFirst);
  EXPECT_TRUE(same_pixels(large, got));
}

TEST_F(SharedStreams, AReferenceOfTheDecoderMayNotBeChanged) {
  connect(64, 48, PixelFormat::kYuv420p);
  VideoFrame reference = make(PixelFormat::kYuv420p, 64, 48, 1);
  ASSERT_TRUE(sink_->write(VideoItem{reference, {}}));
  EXPECT_FALSE(next_picture().writable());
  ASSERT_TRUE(sink_->write(VideoItem{std::move(reference), {}}));
  EXPECT_TRUE(next_picture().writable());
}

TEST_F(SharedStreams, AWriterThatDiesIsAnErrorAndOneThatFinishesIsTheEnd) {
  connect(64, 48, PixelFormat::kYuv420p);
  ASSERT_TRUE(sink_->write(VideoItem{make(PixelFormat::kYuv420p, 64, 48, 1), {}}));
  next_picture();
  pipe_.write_end.reset();
  const auto died = source_->read();
  ASSERT_FALSE(died);
  EXPECT_EQ(died.error().kind(), ErrorKind::kIo);

  pipe_ = *make_pipe();
  connect(64, 48, PixelFormat::kYuv420p);
  ASSERT_TRUE(sink_->finish());
  pipe_.write_end.reset();
  const auto ended = source_->read();
  ASSERT_TRUE(ended);
  EXPECT_FALSE(*ended);
}

TEST_F(SharedStreams, AReaderThatIsGoneIsAClosedOutput) {
  connect(64, 48, PixelFormat::kYuv420p);
  source_.reset();
  pipe_.read_end.reset();
  const auto written = sink_->write(VideoItem{make(PixelFormat::kYuv420p, 64, 48, 1), {}});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind(), ErrorKind::kClosed);
}

}  // namespace
}  // namespace trickle
