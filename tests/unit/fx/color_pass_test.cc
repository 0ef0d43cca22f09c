#include "fx/color_pass.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

// So that its targets are tried too.
#define HWY_WANT_AVX3_DL
#include <hwy/targets.h>

#include "fx/chain_spec.h"
#include "fx/color_fold.h"
#include "unit/fx/picture.h"

namespace trickle::fx {
namespace {

constexpr PixelFormat kFormats[] = {PixelFormat::kYuv420p,   PixelFormat::kYuv422p,   PixelFormat::kYuv444p,
                                    PixelFormat::kYuv420p10, PixelFormat::kYuv422p10, PixelFormat::kYuv444p10,
                                    PixelFormat::kNv12,      PixelFormat::kGray8,     PixelFormat::kRgb24,
                                    PixelFormat::kRgba,      PixelFormat::kBgra,      PixelFormat::kGbrp};

std::vector<ColorStep> steps_of(std::vector<std::string> args) {
  auto chain = parse_chain(args);
  EXPECT_TRUE(chain);
  std::vector<ColorStep> steps;
  for (const auto& spec : chain->effects) steps.push_back(find_effect(spec.effect)->color(spec.parameters));
  return steps;
}

const std::vector<std::vector<std::string>>& chains() {
  static const std::vector<std::vector<std::string>> all = {
      {"red_tint:intensity=0.3"},
      {"red_tint:intensity=1"},
      {"green_tint:intensity=-0.4"},
      {"blue_tint"},
      {"grayscale"},
      {"invert"},
      {"brightness:intensity=0.8"},
      {"brightness:intensity=0"},
      {"color_shift:color_shift=0.1,0.25,-0.9"},
      {"grayscale", "red_tint:intensity=0.3"},
      {"red_tint:intensity=0.3", "grayscale"},
      {"red_tint:intensity=0.7", "red_tint:intensity=-0.7"},
      {"invert", "grayscale", "invert", "blue_tint:intensity=0.2"},
      {"brightness:intensity=1", "brightness:intensity=1", "brightness:intensity=1", "invert"},
      {"red_tint:intensity=1", "red_tint:intensity=1", "green_tint:intensity=-1"},
      {"contrast:amount=1.6"},
      {"contrast:amount=0.3"},
      {"contrast:amount=4"},
      {"saturation:amount=0.4"},
      {"saturation:amount=1.7"},
      {"saturation:amount=4"},
      {"hue:degrees=30"},
      {"hue:degrees=-120"},
      {"gamma:gamma=2"},
      {"gamma:gamma=4"},
      {"gamma:gamma=0.4"},
      {"gamma:gamma=0.25"},
      {"gamma:gamma=0.5"},
      {"sepia"},
      {"sepia:amount=0.5", "invert"},
      {"sepia:amount=0.7", "gamma:gamma=0.8"},
      {"red_tint", "saturation"},
      {"contrast", "saturation:amount=1.3"},
      {"gamma"},
      {"gamma", "invert", "brightness:intensity=0.7", "gamma:gamma=0.7"},
      {"invert", "gamma:gamma=0.6", "grayscale"},
      {"blue_tint:intensity=0.9", "gamma:gamma=1.2"},
      {"red_tint:intensity=0.2", "contrast"},
      {"red_tint", "contrast:amount=3", "saturation:amount=3", "hue:degrees=200"},
      {"invert", "contrast:amount=2.5", "sepia"},
      {"contrast:amount=4", "contrast:amount=4"},
      {"contrast:amount=1.2", "gamma:gamma=1.4", "saturation:amount=0.5", "grayscale"},
      {"blue_tint:intensity=0.3", "grayscale", "red_tint:intensity=-0.2", "grayscale",
       "color_shift:color_shift=0.2,-0.2,0.1"},
  };
  return all;
}

std::string name_of(const std::vector<std::string>& chain) {
  std::string name;
  for (const auto& arg : chain) name += arg + " ";
  return name;
}

ColorPass pass_for(const std::vector<ColorStep>& steps, const VideoFrame& frame) {
  auto pass = ColorPass::make(steps, frame.format, frame.color);
  EXPECT_TRUE(pass) << pass.error().message();
  return *std::move(pass);
}

// True where a chain may run as tables, whose index has the chroma term in whole codes.
bool may_be_tables(PixelFormat format, const std::vector<ColorStep>& steps) {
  const PixelFormatInfo& info = pixel_format_info(format);
  if (info.rgb || info.bits > 8) return false;
  const auto stages = fold(steps, InputRange::kUnlimited);
  return stages.size() > 1 || stages.front().exponent != 1;
}

// In codes: half of one from rounding, the rest from the kernels' fixed point, which has fewer bits to spare
// where samples have more, and where one stage strengthens what the one before it has rounded.
double widest_error(PixelFormat format, const std::vector<ColorStep>& steps) {
  const bool long_chain = steps.size() > 3;
  if (pixel_format_info(format).bits > 8) return long_chain ? 3 : 0.9;
  if (may_be_tables(format, steps)) return 2;
  return long_chain ? 1 : 0.6;
}

// Of the few pixels just above black, whose channels YUV gives in any shade, roots make a lot: there only the
// mean counts, and what becomes of the shades of grey (below).
bool has_root(const std::vector<ColorStep>& steps) {
  return std::any_of(steps.begin(), steps.end(), [](const ColorStep& step) { return step.exponent < 1; });
}

void expect_exact(const VideoFrame& in, const std::vector<std::string>& chain, test::Distance& total) {
  const auto steps = steps_of(chain);
  VideoFrame out = test::random_frame(in.format, in.width, in.height, 99, 3 * 2);
  pass_for(steps, in).run(in, out);
  const auto distance = test::distance(out, test::exact(in, steps));
  if (pixel_format_info(in.format).rgb || !has_root(steps)) {
    EXPECT_LE(distance.worst, widest_error(in.format, steps))
        << name_of(chain) << pixel_format_info(in.format).name << " " << in.width << "x" << in.height;
  }
  total.squares += distance.squares;
  total.count += distance.count;
}

class EveryFormat : public ::testing::TestWithParam<PixelFormat> {};

// With sanitizers the formula takes its time, and a part of the sizes shows all that they can find.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kWidthStep = 4;
#else
constexpr int kWidthStep = 1;
#endif

TEST_P(EveryFormat, FollowsTheFormulaInEverySize) {
  for (const auto& chain : chains()) {
    test::Distance total;
    for (int width = 1; width <= 70; width += kWidthStep) {
      const int height = 1 + (width * 37) % 70;
      const auto in = test::random_frame(GetParam(), width, height, static_cast<uint32_t>(width),
                                         width % 3 == 0 ? 10 : 0, width % 2 == 0);
      expect_exact(in, chain, total);
    }
    EXPECT_GE(total.psnr(pixel_format_info(GetParam()).bits), 55) << name_of(chain);
  }
}

TEST_P(EveryFormat, FollowsTheSignalledMatrixAndRange) {
  for (const uint8_t matrix : {1, 2, 5, 7, 9}) {
    for (const auto range : {ColorProperties::Range::kLimited, ColorProperties::Range::kFull}) {
      for (const auto& chain : chains()) {
        test::Distance total;
        auto in = test::random_frame(GetParam(), 131, 9, matrix);
        in.color.matrix = matrix;
        in.color.range = range;
        expect_exact(in, chain, total);
        EXPECT_GE(total.psnr(pixel_format_info(GetParam()).bits), 55) << name_of(chain) << int{matrix};
      }
    }
  }
}

TEST_P(EveryFormat, GivesTheSameInPlaceAndTouchesNothingOutsideThePicture) {
  for (const int width : {1, 7, 33, 64, 129}) {
    for (const auto& chain : chains()) {
      VideoFrame in = test::random_frame(GetParam(), width, 5, 7, 14);
      const VideoFrame before = test::random_frame(GetParam(), width, 5, 7, 14);
      VideoFrame out = test::random_frame(GetParam(), width, 5, 8, 14);
      const auto pass = pass_for(steps_of(chain), in);
      pass.run(in, out);
      pass.run(in, in);
      for (size_t plane = 0; plane < static_cast<size_t>(pixel_format_info(GetParam()).planes); ++plane) {
        const size_t row_bytes = plane_row_bytes(GetParam(), static_cast<int>(plane), width);
        for (int row = 0; row < plane_rows(GetParam(), static_cast<int>(plane), 5); ++row) {
          const auto at = [&](const VideoFrame& frame) {
            return frame.planes[plane].data + row * frame.planes[plane].stride_bytes;
          };
          ASSERT_EQ(std::memcmp(at(in), at(out), row_bytes), 0) << name_of(chain) << width;
          ASSERT_EQ(std::memcmp(at(in) + row_bytes, at(before) + row_bytes, 14), 0)
              << name_of(chain) << width;
        }
      }
    }
  }
}

TEST_P(EveryFormat, GivesTheSameOnEveryProcessor) {
  for (const auto& chain : chains()) {
    const VideoFrame in = test::random_frame(GetParam(), 145, 6, 3);
    const auto pass = pass_for(steps_of(chain), in);
    const size_t size_bytes = packed_picture_bytes(GetParam(), 145, 6);
    VideoFrame first;
    for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
      hwy::SetSupportedTargetsForTest(target);
      VideoFrame out = make_video_frame(GetParam(), 145, 6);
      pass.run(in, out);
      if (!first.memory) first = out;
      EXPECT_EQ(std::memcmp(first.planes[0].data, out.planes[0].data, size_bytes), 0)
          << name_of(chain) << hwy::TargetName(target);
    }
    hwy::SetSupportedTargetsForTest(0);
  }
}

INSTANTIATE_TEST_SUITE_P(ColorPass, EveryFormat, ::testing::ValuesIn(kFormats), [](const auto& format) {
  return std::string(pixel_format_info(format.param).name);
});

TEST(ColorPass, MakesGreysExactlyGrey) {
  for (const auto format : {PixelFormat::kYuv420p, PixelFormat::kYuv422p, PixelFormat::kYuv444p,
                            PixelFormat::kYuv420p10, PixelFormat::kNv12}) {
    for (const uint8_t matrix : {1, 2, 9}) {
      for (const auto& chain : {steps_of({"grayscale"}), steps_of({"red_tint", "grayscale"}),
                                steps_of({"blue_tint:intensity=-0.3", "grayscale", "invert"})}) {
        VideoFrame frame = test::random_frame(format, 77, 31, 5);
        frame.color.matrix = matrix;
        pass_for(chain, frame).run(frame, frame);
        const double middle = 1 << (pixel_format_info(format).bits - 1);
        for (int x = 0; x < 38; ++x) {
          ASSERT_EQ(test::sample(frame, 1, x, 3), middle);
          ASSERT_EQ(test::sample(frame, 2, x, 3), middle);
        }
      }
    }
  }
}

TEST(ColorPass, KeepsLumaOfBt601InGrayscaleToTheLastBit) {
  const VideoFrame in = test::random_frame(PixelFormat::kYuv420p, 256, 16, 5);
  const VideoFrame out = make_video_frame(PixelFormat::kYuv420p, 256, 16);
  pass_for(steps_of({"grayscale"}), in).run(in, out);
  for (int x = 0; x < 256; ++x) {
    ASSERT_EQ(test::sample(out, 0, x, 1), std::clamp(test::sample(in, 0, x, 1), 16.0, 235.0));
  }
}

TEST(ColorPass, FollowsPowersOnEveryShadeOfGreyFromBlackOn) {
  for (const auto format : {PixelFormat::kYuv420p, PixelFormat::kYuv444p10}) {
    const int bits = pixel_format_info(format).bits;
    const int black = 16 << (bits - 8);
    for (const auto range : {ColorProperties::Range::kLimited, ColorProperties::Range::kFull}) {
      for (const char* gamma : {"gamma:gamma=4", "gamma:gamma=2.2", "gamma:gamma=0.5"}) {
        VideoFrame in = test::random_frame(format, 220, 2, 1);
        in.color.range = range;
        const auto steps = steps_of({gamma});
        for (int plane = 0; plane < 3; ++plane) {
          for (int y = 0; y < plane_rows(format, plane, 2); ++y) {
            uint8_t* row = in.planes[static_cast<size_t>(plane)].data +
                           y * in.planes[static_cast<size_t>(plane)].stride_bytes;
            const int width = static_cast<int>(plane_row_bytes(format, plane, 220)) / (bits > 8 ? 2 : 1);
            for (int x = 0; x < width; ++x) {
              const int first = range == ColorProperties::Range::kFull ? 0 : black;
              const int code = plane == 0 ? first + x * (1 << (bits - 8)) : 1 << (bits - 1);
              if (bits > 8) {
                reinterpret_cast<uint16_t*>(row)[x] = static_cast<uint16_t>(code);
              } else {
                row[x] = static_cast<uint8_t>(code);
              }
            }
          }
        }
        const VideoFrame out = make_video_frame(format, 220, 2);
        pass_for(steps, in).run(in, out);
        EXPECT_LE(test::distance(out, test::exact(in, steps)).worst, bits > 8 ? 2.0 : 1.0) << gamma;
        EXPECT_EQ(test::sample(out, 0, 0, 0), range == ColorProperties::Range::kFull ? 0 : black) << gamma;
      }
    }
  }
}

TEST(ColorPass, KeepsAlpha) {
  for (const auto format : {PixelFormat::kRgba, PixelFormat::kBgra}) {
    for (const auto& chain : chains()) {
      const VideoFrame in = test::random_frame(format, 83, 3, 5);
      const VideoFrame out = make_video_frame(format, 83, 3);
      pass_for(steps_of(chain), in).run(in, out);
      for (int x = 0; x < 83; ++x) ASSERT_EQ(test::sample(out, 3, x, 1), test::sample(in, 3, x, 1));
    }
  }
}

TEST(ColorPass, HasNothingToDoWhereNothingChanges) {
  for (const auto format : kFormats) {
    for (const auto& chain :
         {steps_of({}), steps_of({"none"}), steps_of({"red_tint:intensity=0", "brightness:intensity=0.5"}),
          steps_of({"color_shift"})}) {
      EXPECT_TRUE(ColorPass::make(chain, format, {})->nothing_to_do());
    }
  }
  EXPECT_TRUE(ColorPass::make(steps_of({"invert", "invert"}), PixelFormat::kRgb24, {})->nothing_to_do());
}

}  // namespace
}  // namespace trickle::fx
