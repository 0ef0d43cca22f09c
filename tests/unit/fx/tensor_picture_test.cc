#include "fx/tensor_picture.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace trickle::fx {
namespace {

constexpr PixelFormat kAllFormats[] = {
    PixelFormat::kYuv420p,   PixelFormat::kYuv422p,   PixelFormat::kYuv444p, PixelFormat::kYuv420p10,
    PixelFormat::kYuv422p10, PixelFormat::kYuv444p10, PixelFormat::kNv12,    PixelFormat::kGray8,
    PixelFormat::kRgb24,     PixelFormat::kRgba,      PixelFormat::kBgra,    PixelFormat::kGbrp};

std::vector<float> flat_colour(int pixels, float r, float g, float b) {
  std::vector<float> rgb;
  for (int i = 0; i < pixels; ++i) rgb.insert(rgb.end(), {r, g, b});
  return rgb;
}

TEST(TensorPicture, BringsAFlatColourBackInEveryFormatAndOddSize) {
  for (const PixelFormat format : kAllFormats) {
    for (const int side : {1, 2, 7, 16}) {
      const bool grey = format == PixelFormat::kGray8;
      const std::vector<float> in = flat_colour(side * side, 0.7F, grey ? 0.7F : 0.4F, grey ? 0.7F : 0.3F);
      VideoFrame picture = make_video_frame(format, side, side);
      floats_to_picture(in.data(), 3, TensorLayout::kNhwc, picture);
      std::vector<float> out(in.size());
      picture_to_floats(picture, TensorLayout::kNhwc, out.data());
      for (size_t i = 0; i < in.size(); ++i) {
        ASSERT_NEAR(out[i], in[i], 2.0 / 255)
            << pixel_format_info(format).name << " side " << side << " at " << i;
      }
    }
  }
}

TEST(TensorPicture, IsExactOnRandomRgbInBothLayouts) {
  std::mt19937 random(1);
  VideoFrame picture = make_video_frame(PixelFormat::kRgb24, 13, 5);
  for (size_t i = 0; i < 13 * 5 * 3; ++i) picture.planes[0].data[i] = static_cast<uint8_t>(random());
  for (const TensorLayout layout : {TensorLayout::kNhwc, TensorLayout::kNchw}) {
    std::vector<float> values(13 * 5 * 3);
    picture_to_floats(picture, layout, values.data());
    VideoFrame back = make_video_frame(PixelFormat::kRgb24, 13, 5);
    floats_to_picture(values.data(), 3, layout, back);
    EXPECT_EQ(std::memcmp(picture.planes[0].data, back.planes[0].data, values.size()), 0);
  }
}

TEST(TensorPicture, PlanarLayoutHoldsOneComponentAfterTheOther) {
  VideoFrame picture = make_video_frame(PixelFormat::kRgb24, 2, 1);
  const uint8_t pixels[] = {255, 0, 0, 0, 255, 0};
  std::memcpy(picture.planes[0].data, pixels, sizeof pixels);
  std::vector<float> values(6);
  picture_to_floats(picture, TensorLayout::kNchw, values.data());
  EXPECT_EQ(values, (std::vector<float>{1, 0, 0, 1, 0, 0}));
}

TEST(TensorPicture, ClampsWhatLeavesTheRangeAndTurnsNanIntoBlack) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> values{-3, 7, nan};
  VideoFrame picture = make_video_frame(PixelFormat::kRgb24, 1, 1);
  floats_to_picture(values.data(), 3, TensorLayout::kNhwc, picture);
  EXPECT_EQ(picture.planes[0].data[0], 0);
  EXPECT_EQ(picture.planes[0].data[1], 255);
  EXPECT_EQ(picture.planes[0].data[2], 0);
}

// In YUV one channel that is not a number would spoil all three.
TEST(TensorPicture, TurnsOnlyTheChannelThatIsNanIntoBlackInEveryFormat) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const PixelFormat format : kAllFormats) {
    VideoFrame picture = make_video_frame(format, 2, 2), expected = make_video_frame(format, 2, 2);
    floats_to_picture(flat_colour(4, nan, 0.5F, 1).data(), 3, TensorLayout::kNhwc, picture);
    floats_to_picture(flat_colour(4, 0, 0.5F, 1).data(), 3, TensorLayout::kNhwc, expected);
    EXPECT_EQ(
        std::memcmp(picture.planes[0].data, expected.planes[0].data, packed_picture_bytes(format, 2, 2)), 0)
        << pixel_format_info(format).name;
  }
}

TEST(TensorPicture, OneChannelIsGreyAndAFourthIsIgnored) {
  VideoFrame picture = make_video_frame(PixelFormat::kRgba, 1, 1);
  const std::vector<float> grey{0.4F};
  floats_to_picture(grey.data(), 1, TensorLayout::kNchw, picture);
  EXPECT_EQ(std::vector<uint8_t>(picture.planes[0].data, picture.planes[0].data + 4),
            (std::vector<uint8_t>{102, 102, 102, 255}));
  const std::vector<float> rgba{1, 0, 1, 0};
  floats_to_picture(rgba.data(), 4, TensorLayout::kNhwc, picture);
  EXPECT_EQ(std::vector<uint8_t>(picture.planes[0].data, picture.planes[0].data + 4),
            (std::vector<uint8_t>{255, 0, 255, 255}));
}

// BT.601 limited white and BT.709 full-range white are the same white.
TEST(TensorPicture, UnderstandsTheRangeThatTheFrameSignals) {
  for (const auto range : {ColorProperties::Range::kLimited, ColorProperties::Range::kFull}) {
    VideoFrame picture = make_video_frame(PixelFormat::kYuv420p, 2, 2);
    picture.color.range = range;
    std::memset(picture.planes[0].data, range == ColorProperties::Range::kFull ? 255 : 235, 4);
    picture.planes[1].data[0] = picture.planes[2].data[0] = 128;
    std::vector<float> values(12);
    picture_to_floats(picture, TensorLayout::kNhwc, values.data());
    for (const float value : values) EXPECT_NEAR(value, 1.0F, 1e-3F);
  }
}

}  // namespace
}  // namespace trickle::fx
