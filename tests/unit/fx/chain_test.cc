#include "fx/chain.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <future>
#include <thread>

#include "fx/frame_pool.h"
#include "fx/live_chain.h"
#include "unit/fx/picture.h"

namespace trickle::fx {
namespace {

ChainSpec spec(std::vector<std::string> args) { return *parse_chain(args); }

std::unique_ptr<Chain> chain(std::vector<std::string> args) {
  auto made = Chain::make(spec(std::move(args)));
  EXPECT_TRUE(made);
  return *std::move(made);
}

std::unique_ptr<LiveChain> live(std::vector<std::string> args) {
  auto made = LiveChain::make(spec(std::move(args)));
  EXPECT_TRUE(made);
  return *std::move(made);
}

VideoFrame black(PixelFormat format = PixelFormat::kRgb24) {
  VideoFrame frame = make_video_frame(format, 16, 8);
  std::memset(frame.planes[0].data, 0, packed_picture_bytes(format, 16, 8));
  return frame;
}

// The one frame that effects of one in, one out make of one.
template <typename AnyChain>
VideoFrame one(AnyChain& chain, VideoFrame frame) {
  Frames made;
  chain.process(std::move(frame), made);
  EXPECT_EQ(made.size(), 1U);
  return std::move(made.at(0));
}

int red_of(const VideoFrame& frame) { return static_cast<int>(test::sample(frame, 0, 3, 3)); }

TEST(Chain, WorksInPlaceOnFramesOfItsOwn) {
  VideoFrame frame = black();
  const uint8_t* pixels = frame.planes[0].data;
  frame = one(*chain({"red_tint:intensity=0.5"}), std::move(frame));
  EXPECT_EQ(frame.planes[0].data, pixels);
  EXPECT_EQ(red_of(frame), 128);
}

TEST(Chain, LeavesFramesThatOthersReadAsTheyAre) {
  const auto tint = chain({"red_tint:intensity=0.5"});
  VideoFrame frame = black();
  frame.timestamp = {7, {1, 25}};
  frame.duration_ticks = 3;
  frame.color.matrix = 9;
  frame.sample_aspect = {4, 3};
  const VideoFrame second_reference = frame;
  const VideoFrame made = one(*tint, frame);
  EXPECT_EQ(red_of(made), 128);
  EXPECT_EQ(red_of(second_reference), 0);
  EXPECT_EQ(made.timestamp, frame.timestamp);
  EXPECT_EQ(made.duration_ticks, 3);
  EXPECT_EQ(made.color, frame.color);
  EXPECT_EQ(made.sample_aspect, frame.sample_aspect);

  VideoFrame decoders = black();
  decoders.exclusive = false;
  const uint8_t* pixels = decoders.planes[0].data;
  EXPECT_NE(one(*tint, std::move(decoders)).planes[0].data, pixels);
}

TEST(Chain, PassesFramesOnWhereNothingChanges) {
  VideoFrame frame = black();
  const VideoFrame second_reference = frame;
  const VideoFrame made = one(*chain({"none", "brightness"}), frame);
  EXPECT_EQ(made.planes[0].data, second_reference.planes[0].data);
}

TEST(Chain, FollowsTheFormatOfEachFrame) {
  const auto grey = chain({"grayscale"});
  for (const auto format : {PixelFormat::kRgb24, PixelFormat::kYuv420p, PixelFormat::kRgb24}) {
    VideoFrame frame = test::random_frame(format, 16, 8, 1);
    const std::vector<ColorStep> steps{find_effect("grayscale")->color({})};
    const auto expected = test::exact(frame, steps);
    EXPECT_LT(test::distance(one(*grey, std::move(frame)), expected).worst, 0.6);
  }
}

TEST(FramePool, UsesMemoryAgainOnceItIsFree) {
  FramePool pool;
  VideoFrame first = pool.take(PixelFormat::kYuv420p, 64, 32);
  const uint8_t* pixels = first.planes[0].data;
  EXPECT_TRUE(first.writable());
  const VideoFrame second = pool.take(PixelFormat::kYuv420p, 64, 32);
  EXPECT_NE(second.planes[0].data, pixels);
  first = {};
  EXPECT_EQ(pool.take(PixelFormat::kYuv420p, 64, 32).planes[0].data, pixels);
}

TEST(FramePool, LetsFramesOutliveIt) {
  VideoFrame frame;
  {
    FramePool pool;
    frame = pool.take(PixelFormat::kGray8, 8, 8);
  }
  std::memset(frame.planes[0].data, 1, 64);
  EXPECT_TRUE(frame.writable());
}

TEST(LiveChain, ChangesFromTheNextFrameOn) {
  const auto effects = live({"red_tint:intensity=0.2"});
  EXPECT_EQ(red_of(one(*effects, black())), 51);
  ASSERT_TRUE(effects->update(R"({"intensity":0.4})"));
  EXPECT_EQ(red_of(one(*effects, black())), 102);
  ASSERT_TRUE(effects->update(R"({"effect":"invert"})"));
  EXPECT_EQ(red_of(one(*effects, black())), 255);
}

TEST(LiveChain, TakesTheNewestOfABurst) {
  const auto effects = live({"red_tint:intensity=0.2"});
  for (int i = 0; i <= 10; ++i) {
    ASSERT_TRUE(effects->update("{\"intensity\":" + std::to_string(i / 10.0) + "}"));
  }
  EXPECT_EQ(red_of(one(*effects, black())), 255);
}

TEST(LiveChain, IsLeftAsItWasByAnUpdateThatFails) {
  const auto effects = live({"red_tint:intensity=0.2"});
  for (const char* update : {R"({"intensity":2})", R"({"effect":"sparkle"})", "nonsense",
                             R"([{"effect":"invert"},{"effect":"red_tint","intensity":9}])"}) {
    EXPECT_FALSE(effects->update(update)) << update;
    EXPECT_EQ(red_of(one(*effects, black())), 51);
  }
  ASSERT_TRUE(effects->update(R"({"intensity":0.4})"));
  EXPECT_EQ(red_of(one(*effects, black())), 102);
}

// A graph that takes as long to make as the test wants.
TEST(LiveChain, PassesFramesThroughTheOldEffectsWhileTheNewOnesAreLoaded) {
  std::promise<void> loading, release;
  auto host = std::make_shared<EffectHost>();
  host->make_video_graph = [&, gate = release.get_future().share()](const std::string& text) {
    loading.set_value();
    gate.wait();
    return Result<std::unique_ptr<VideoGraph>>(unexpected(ErrorKind::kUsage, "no " + text));
  };
  const auto effects = *LiveChain::make(spec({"red_tint:intensity=0.2"}), host);
  std::thread updater([&] {
    EXPECT_FALSE(effects->update(R"({"effect":"avfilter","graph":"model"})"));
    EXPECT_TRUE(effects->update(R"({"effect":"invert"})"));
  });
  loading.get_future().wait();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(red_of(one(*effects, black())), 51);
  release.set_value();
  updater.join();
  EXPECT_EQ(red_of(one(*effects, black())), 255);
}

TEST(LiveChain, ReportsNamesThatNoEffectKnows) {
  const auto effects = live({"red_tint"});
  const auto update = effects->update(R"({"intensity":0.1,"prompt":"a cat"})");
  ASSERT_TRUE(update);
  EXPECT_EQ(update->unknown, std::vector<std::string>{"prompt"});
}

TEST(LiveChain, MayBeUpdatedWhileFramesPass) {
  const auto effects = live({"red_tint:intensity=0"});
  std::atomic<bool> done{false};
  std::thread updater([&] {
    for (int i = 0; i < 2000; ++i) {
      EXPECT_TRUE(
          effects->update(i % 2 == 0 ? R"({"effect":"invert"})" : R"({"effect":"red_tint","intensity":0})"));
    }
    done = true;
  });
  while (!done) {
    const int red = red_of(one(*effects, black()));
    EXPECT_TRUE(red == 0 || red == 255) << red;
  }
  updater.join();
  EXPECT_EQ(red_of(one(*effects, black())), 0);
}

}  // namespace
}  // namespace trickle::fx
