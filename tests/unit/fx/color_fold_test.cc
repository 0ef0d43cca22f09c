#include "fx/color_fold.h"

#include <gtest/gtest.h>

#include "unit/fx/picture.h"

namespace trickle::fx {
namespace {

ColorStep shift(double red, double green, double blue) { return {.offset = {red, green, blue}}; }
ColorStep grey() {
  constexpr Row3 kWeights{0.299, 0.587, 0.114};
  return {.matrix = {kWeights, kWeights, kWeights}};
}
ColorStep flipped() { return {.matrix = {{{-1, 0, 0}, {0, -1, 0}, {0, 0, -1}}}, .offset = {1, 1, 1}}; }

Row3 run(const std::vector<ColorStage>& stages, Row3 rgb) {
  for (const auto& stage : stages) {
    rgb = test::apply(stage.matrix, stage.offset, rgb);
    for (size_t i = 0; i < 3; ++i) rgb[i] = std::clamp(rgb[i], stage.low[i], stage.high[i]);
  }
  return rgb;
}

TEST(Fold, LeavesOutWhatChangesNothing) {
  EXPECT_TRUE(fold({}, InputRange::kUnlimited).empty());
  const ColorStep same[] = {{}, shift(0, 0, 0)};
  EXPECT_TRUE(fold(same, InputRange::kUnlimited).empty());
}

TEST(Fold, MakesOneStageOfAnyRunThatKeepsChannelsApart) {
  const ColorStep steps[] = {shift(0.7, 0, 0), flipped(), shift(-0.2, 0.4, 1), flipped(),
                             shift(0.1, 0.1, -1)};
  EXPECT_EQ(fold(steps, InputRange::kUnlimited).size(), 1u);
}

TEST(Fold, KeepsTheClampThatMatters) {
  const ColorStep steps[] = {shift(0.7, 0, 0), shift(-0.7, 0, 0)};
  const auto stages = fold(steps, InputRange::kUnlimited);
  ASSERT_EQ(stages.size(), 1u);
  EXPECT_NEAR(run(stages, {0.9, 0.5, 0.5})[0], 0.3, 1e-12);
  EXPECT_NEAR(run(stages, {0.1, 0.5, 0.5})[0], 0.1, 1e-12);
}

TEST(Fold, SeparatesStagesOnlyWhereAClampStandsBeforeAMix) {
  const ColorStep tint_grey[] = {shift(0.3, 0, 0), grey()};
  EXPECT_EQ(fold(tint_grey, InputRange::kUnit).size(), 2u);
  const ColorStep flip_grey[] = {flipped(), grey()};
  EXPECT_EQ(fold(flip_grey, InputRange::kUnit).size(), 1u);
  EXPECT_EQ(fold(flip_grey, InputRange::kUnlimited).size(), 2u);
  const ColorStep grey_tint[] = {grey(), shift(0.3, 0, 0)};
  EXPECT_EQ(fold(grey_tint, InputRange::kUnlimited).size(), 1u);
  const ColorStep grey_grey[] = {grey(), flipped(), grey()};
  EXPECT_EQ(fold(grey_grey, InputRange::kUnlimited).size(), 1u);
}

TEST(Fold, GivesWhatTheStepsGiveOneByOne) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> unit(-1, 1);
  for (int round = 0; round < 3000; ++round) {
    std::vector<ColorStep> steps;
    for (int i = 0; i < 1 + round % 6; ++i) {
      switch (random() % 3) {
        case 0:
          steps.push_back(shift(unit(random), unit(random), unit(random)));
          break;
        case 1:
          steps.push_back(grey());
          break;
        default:
          steps.push_back(flipped());
      }
    }
    const bool in_unit = round % 2 == 0;
    const auto stages = fold(steps, in_unit ? InputRange::kUnit : InputRange::kUnlimited);
    for (int i = 0; i < 20; ++i) {
      Row3 rgb{unit(random), unit(random), unit(random)};
      for (double& x : rgb) x = in_unit ? std::abs(x) : x * 2;
      const Row3 expected = test::apply_steps(steps, rgb);
      const Row3 got = run(stages, rgb);
      for (size_t c = 0; c < 3; ++c) ASSERT_NEAR(got[c], expected[c], 1e-9);
    }
  }
}

TEST(YuvMatrix, IsTheInverseOfItself) {
  for (const int bits : {8, 10}) {
    for (const uint8_t matrix : {1, 2, 4, 7, 9}) {
      for (const auto range : {ColorProperties::Range::kUnspecified, ColorProperties::Range::kFull}) {
        const YuvMatrix m = yuv_matrix({.matrix = matrix, .range = range}, bits);
        const Row3 rgb =
            test::apply(m.to_rgb, m.to_rgb_offset, test::apply(m.to_yuv, m.to_yuv_offset, {0.2, 0.7, 0.4}));
        EXPECT_NEAR(rgb[0], 0.2, 1e-12);
        EXPECT_NEAR(rgb[1], 0.7, 1e-12);
        EXPECT_NEAR(rgb[2], 0.4, 1e-12);
      }
    }
  }
}

TEST(YuvMatrix, KnowsTheCodesOfRedInBt601AndBt709) {
  const Row3 red{1, 0, 0};
  const YuvMatrix bt601 = yuv_matrix({}, 8);
  EXPECT_NEAR(test::apply(bt601.to_yuv, bt601.to_yuv_offset, red)[0], 81.481, 1e-3);
  EXPECT_NEAR(test::apply(bt601.to_yuv, bt601.to_yuv_offset, red)[2], 240, 1e-9);
  const YuvMatrix bt709 = yuv_matrix({.matrix = 1}, 10);
  EXPECT_NEAR(test::apply(bt709.to_yuv, bt709.to_yuv_offset, red)[0], 64 + 0.2126 * 876, 1e-9);
}

}  // namespace
}  // namespace trickle::fx
