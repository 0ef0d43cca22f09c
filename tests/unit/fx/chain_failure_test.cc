// What becomes of frames and chains where an effect fails.
#include <gtest/gtest.h>

#include <utility>

#include "fx/live_chain.h"

namespace trickle::fx {
namespace {

// Keeps its commands, and fails on frames for as long as it is told to.
struct GraphState {
  std::vector<std::string> commands;
  bool fails = false;
};

class FakeGraph final : public VideoGraph {
 public:
  explicit FakeGraph(GraphState& state) : state_(state) {}
  Result<void> push(VideoFrame frame, std::vector<VideoFrame>& out) override {
    if (state_.fails) return unexpected(ErrorKind::kInternal, "out of memory");
    out.push_back(std::move(frame));
    return {};
  }
  Result<void> finish(std::vector<VideoFrame>& /*out*/) override { return {}; }
  Result<void> command(const std::string& commands) override {
    state_.commands.push_back(commands);
    return {};
  }

 private:
  GraphState& state_;
};

class ChainFailure : public ::testing::Test {
 protected:
  ChainFailure() {
    host_->make_video_graph = [this](const std::string& text) -> Result<std::unique_ptr<VideoGraph>> {
      if (text == "broken") return unexpected(ErrorKind::kUsage, "no such filter");
      return std::unique_ptr<VideoGraph>(std::make_unique<FakeGraph>(graph_));
    };
    host_->on_event = [this](std::string_view what, std::string_view sentence) {
      events_.push_back(std::string(what) + ": " + std::string(sentence));
    };
    host_->on_untouched = [this](Untouched cause, uint64_t how_many) {
      if (cause == Untouched::kFailed) failures_ += static_cast<int>(how_many);
    };
  }

  std::unique_ptr<LiveChain> live(const std::vector<std::string>& effects) {
    auto made = LiveChain::make(*parse_chain(effects), host_);
    EXPECT_TRUE(made);
    return *std::move(made);
  }

  // What comes out for a black frame.
  static Frames run(LiveChain& chain) {
    VideoFrame frame = make_video_frame(PixelFormat::kRgb24, 2, 2);
    std::fill_n(frame.planes[0].data, 12, uint8_t{0});
    Frames made;
    chain.process(std::move(frame), made);
    return made;
  }
  static int red_of(LiveChain& chain) {
    const Frames made = run(chain);
    EXPECT_EQ(made.size(), 1U);
    return made.empty() ? -1 : made[0].planes[0].data[0];
  }

  GraphState graph_;
  std::vector<std::string> events_;
  int failures_ = 0;
  std::shared_ptr<EffectHost> host_ = std::make_shared<EffectHost>();
};

TEST_F(ChainFailure, LetsFramesPassTheEffectUnchangedCountsEachAndTellsOnce) {
  const auto chain = live({"red_tint:intensity=0.2", "avfilter:graph=model", "invert"});
  EXPECT_EQ(red_of(*chain), 204);
  graph_.fails = true;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(red_of(*chain), 204);
  graph_.fails = false;
  EXPECT_EQ(red_of(*chain), 204);
  EXPECT_EQ(failures_, 5);
  ASSERT_GE(events_.size(), 1U);
  EXPECT_EQ(events_[0], "effect_failed: avfilter failed, and 1 frames passed it unchanged: out of memory");
}

TEST_F(ChainFailure, LeavesParametersAndEffectsAsTheyWereWhereANewEffectCantBeMade) {
  const auto chain = live({"red_tint:intensity=0.2"});
  EXPECT_FALSE(chain->update(R"([{"effect":"invert"},{"effect":"avfilter","graph":"broken"}])"));
  EXPECT_EQ(red_of(*chain), 51);
  // Parameters without an effect are still those of red_tint.
  EXPECT_TRUE(chain->update(R"({"intensity":0.4})"));
  EXPECT_EQ(red_of(*chain), 102);
}

TEST_F(ChainFailure, TakesBackWhatAFailedUpdateDidToARunningEffect) {
  const auto chain = live({"avfilter:graph=model,command='eq contrast 1'"});
  EXPECT_FALSE(chain->update(R"([{"effect":"avfilter","graph":"model","command":"eq contrast 2"},
                                 {"effect":"avfilter","graph":"broken"}])"));
  EXPECT_EQ(graph_.commands, (std::vector<std::string>{"eq contrast 1", "eq contrast 2", "eq contrast 1"}));
}

}  // namespace
}  // namespace trickle::fx
