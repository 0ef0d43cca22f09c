#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "base/try.h"
#include "fx/torch_options.h"

namespace trickle::fx {
namespace {

class TorchEffect : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ::setenv("TRICKLE_MODULE_DIR", MODULE_DIR, 1);
    folder_ = ::testing::TempDir() + "/models-" + std::to_string(::getpid());
    std::filesystem::create_directory(folder_);
    ASSERT_EQ(std::system((std::string(MAKE_MODELS) + " " + folder_).c_str()), 0);
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder_); }

  static TorchOptions options(const std::string& name) {
    TorchOptions options;
    options.model = folder_ + "/" + name + ".pt";
    options.device = "cpu";
    return options;
  }

  static VideoFrame rgb_frame(int width, int height, uint8_t r, uint8_t g, uint8_t b) {
    VideoFrame frame = make_video_frame(PixelFormat::kRgb24, width, height);
    for (int i = 0; i < width * height; ++i) {
      const uint8_t pixel[] = {r, g, b};
      std::memcpy(frame.planes[0].data + 3 * i, pixel, 3);
    }
    frame.timestamp = {1234, {1, 90000}};
    return frame;
  }

  // The one frame that becomes of one.
  static Result<VideoFrame> run(Effect& effect, VideoFrame frame) {
    Frames made;
    TRICKLE_TRY(effect.process(frame, made));
    EXPECT_EQ(made.size(), 1U);
    return std::move(made.at(0));
  }

  static std::unique_ptr<Effect> make(const TorchOptions& options,
                                      EffectHostPtr host = std::make_shared<EffectHost>()) {
    auto effect = make_torch_effect(options, host);
    EXPECT_TRUE(effect) << effect.error().to_string();
    return effect ? *std::move(effect) : nullptr;
  }

  static inline std::string folder_;
};

TEST_F(TorchEffect, AddsRedAsTheModelSaysAndKeepsTheTimestamp) {
  auto effect = make_torch_effect(options("red_tint"));
  ASSERT_TRUE(effect) << effect.error().to_string();
  const auto out = run(**effect, rgb_frame(33, 17, 100, 50, 20));
  ASSERT_TRUE(out) << out.error().to_string();
  EXPECT_NEAR(out->planes[0].data[0], 176, 1);
  EXPECT_EQ(out->planes[0].data[1], 50);
  EXPECT_EQ(out->timestamp.ticks, 1234);
}

TEST_F(TorchEffect, TakesOneChannelAsGrey) {
  auto effect = make_torch_effect(options("grey"));
  ASSERT_TRUE(effect) << effect.error().to_string();
  const auto out = run(**effect, rgb_frame(8, 8, 90, 60, 30));
  for (int c = 0; c < 3; ++c) EXPECT_EQ(out->planes[0].data[c], 60);
}

TEST_F(TorchEffect, FollowsAModelThatChangesTheSizeInPlanarLayout) {
  TorchOptions planar = options("half_size_planar");
  planar.layout = TensorLayout::kNchw;
  auto effect = make_torch_effect(planar);
  ASSERT_TRUE(effect) << effect.error().to_string();
  const auto out = run(**effect, rgb_frame(64, 32, 10, 20, 30));
  EXPECT_EQ(out->width, 32);
  EXPECT_EQ(out->height, 16);
  EXPECT_EQ(out->planes[0].data[2], 30);
}

TEST_F(TorchEffect, GivesAByteModelBytes) {
  TorchOptions bytes = options("bytes");
  bytes.uint8 = true;
  auto effect = make_torch_effect(bytes);
  ASSERT_TRUE(effect) << effect.error().to_string();
  const auto out = run(**effect, rgb_frame(4, 4, 255, 100, 0));
  EXPECT_EQ(out->planes[0].data[0], 0);
  EXPECT_EQ(out->planes[0].data[1], 155);
  EXPECT_EQ(out->planes[0].data[2], 255);
}

TEST_F(TorchEffect, ReportsAFrameThatTheModelFailsOnAndGoesOn) {
  auto effect = make_torch_effect(options("fails_on_frame_7"));
  ASSERT_TRUE(effect) << effect.error().to_string();
  for (int i = 1; i <= 9; ++i) {
    EXPECT_EQ(run(**effect, rgb_frame(4, 4, 1, 2, 3)).has_value(), i != 7) << "frame " << i;
  }
}

TEST_F(TorchEffect, SurvivesAModelThatRunsOutOfMemory) {
  auto effect = make_torch_effect(options("out_of_memory_on_frame_7"));
  ASSERT_TRUE(effect) << effect.error().to_string();
  for (int i = 1; i <= 9; ++i) {
    const auto out = run(**effect, rgb_frame(4, 4, 1, 2, 3));
    ASSERT_EQ(out.has_value(), i != 7) << "frame " << i;
    if (out) continue;
    EXPECT_NE(out.error().message().find("memory"), std::string::npos) << out.error().message();
  }
}

TEST_F(TorchEffect, RefusesWhatCantWorkWithASentence) {
  const auto missing = make_torch_effect(options("nowhere"));
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message().find("no such file"), std::string::npos);

  const auto shape = make_torch_effect(options("wrong_shape"));
  ASSERT_FALSE(shape);
  EXPECT_NE(shape.error().message().find("shape"), std::string::npos);

  TorchOptions device = options("red_tint");
  device.device = "toaster";
  EXPECT_EQ(make_torch_effect(device).error().kind(), ErrorKind::kUsage);
  TorchOptions program = options("red_tint");
  program.model = MAKE_MODELS;
  EXPECT_EQ(make_torch_effect(program).error().kind(), ErrorKind::kUsage);
}

TEST_F(TorchEffect, RunsAConvolution) {
  TorchOptions planar = options("swap_by_convolution");
  planar.layout = TensorLayout::kNchw;
  const auto out = run(*make(planar), rgb_frame(9, 7, 200, 100, 50));
  ASSERT_TRUE(out) << out.error().to_string();
  EXPECT_EQ(out->planes[0].data[0], 50);
  EXPECT_EQ(out->planes[0].data[2], 200);
}

TEST_F(TorchEffect, ClampsWhatLeavesTheRangeAndTakesNanAsBlack) {
  const auto out = run(*make(options("wild")), rgb_frame(4, 4, 9, 9, 9));
  ASSERT_TRUE(out);
  EXPECT_EQ(out->planes[0].data[0], 255);
  EXPECT_EQ(out->planes[0].data[1], 0);
  EXPECT_EQ(out->planes[0].data[2], 0);
}

TEST_F(TorchEffect, GivesBatchesOnceTheyAreFullOrTheStreamEnds) {
  TorchOptions batch = options("counts_batch");
  batch.batch = 4;
  const auto effect = make(batch);
  Frames made;
  for (int i = 0; i < 6; ++i) {
    VideoFrame frame = rgb_frame(4, 4, 0, 0, 0);
    frame.timestamp.ticks = i;
    ASSERT_TRUE(effect->process(frame, made));
    EXPECT_EQ(made.size(), i < 3 ? 0U : 4U);
  }
  ASSERT_TRUE(effect->finish(made));
  ASSERT_EQ(made.size(), 6U);
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(made[static_cast<size_t>(i)].timestamp.ticks, i);
    EXPECT_EQ(made[static_cast<size_t>(i)].planes[0].data[0], i < 4 ? 102 : 51);
  }
}

TEST_F(TorchEffect, LosesOnlyTheFrameThatIsAtFaultOfABatch) {
  TorchOptions batch = options("hates_white");
  batch.batch = 3;
  const auto host = std::make_shared<EffectHost>();
  int events = 0;
  host->on_event = [&](std::string_view, std::string_view) { ++events; };
  const auto effect = make(batch, host);
  Frames made;
  for (const uint8_t grey : {10, 255, 20}) {
    VideoFrame frame = rgb_frame(4, 4, grey, grey, grey);
    ASSERT_TRUE(effect->process(frame, made));
  }
  ASSERT_EQ(made.size(), 3U);
  EXPECT_EQ(made[1].planes[0].data[0], 255);
  EXPECT_EQ(made[2].planes[0].data[0], 20);
  EXPECT_EQ(events, 1);
}

TEST_F(TorchEffect, SendsWhatIsNoPictureToTheDataChannel) {
  const auto host = std::make_shared<EffectHost>();
  std::vector<std::string> data;
  host->on_data = [&](std::string_view json) { data.emplace_back(json); };
  const auto out = run(*make(options("tells"), host), rgb_frame(6, 4, 1, 2, 3));
  ASSERT_TRUE(out);
  EXPECT_EQ(out->planes[0].data[1], 2);
  EXPECT_EQ(data, (std::vector<std::string>{"[1.5,2.0]", "\"two faces\""}));
  data.clear();
  const auto untouched = run(*make(options("only_tells"), host), rgb_frame(6, 4, 1, 2, 3));
  ASSERT_TRUE(untouched);
  EXPECT_EQ(untouched->planes[0].data[2], 3);
  EXPECT_EQ(data, std::vector<std::string>{"[4,6]"});
}

TEST_F(TorchEffect, SaysThatThereIsNoCudaWhereThereIsNone) {
  TorchOptions cuda = options("red_tint");
  cuda.device = "cuda:63";
  const auto refused = make_torch_effect(cuda);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("device=cuda:63: t"), std::string::npos)
      << refused.error().message();
}

}  // namespace
}  // namespace trickle::fx
