// What becomes of frames that a processor withholds, on a clock of the test's own.
#include "pipeline/processor_host.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace trickle {
namespace {

using namespace std::chrono_literals;

class Withholding final : public FrameProcessor {
 public:
  Result<VideoOutput> process_video(VideoFrame frame) override {
    ++calls;
    return ready ? VideoOutput(std::move(frame)) : VideoOutput::withheld();
  }
  Result<void> update_params(const Params& params) override {
    updates.push_back(params.json());
    return {};
  }
  bool ready = false;
  int calls = 0;
  std::vector<std::string> updates;
};

class Silent final : public ProcessorOutlet {
 public:
  void emit_data(std::string) override {}
  void emit_event(std::string) override {}
};

struct WithheldFrames : ::testing::Test {
  ProcessorHost& host(Overlay overlay, std::string_view params = "{}") {
    host_.emplace(
        processor, outlet_, overlay, [this](const std::string& sentence) { failures.push_back(sentence); },
        clock);
    EXPECT_TRUE(host_->start(*Params::parse(params)));
    return *host_;
  }
  /// Whether a grey frame comes out as it went in.
  bool comes_as_it_is() {
    VideoFrame frame = make_video_frame(PixelFormat::kYuv420p, 64, 48);
    const auto pixels = [](const VideoFrame& of) {
      return std::span(of.planes[0].data, static_cast<size_t>(of.planes[0].stride_bytes) * 48);
    };
    std::ranges::fill(pixels(frame), uint8_t{128});
    const VideoFrame kept = frame;
    const auto out = host_->video(std::move(frame));
    EXPECT_EQ(out.size(), 1U);
    EXPECT_TRUE(std::ranges::all_of(pixels(kept), [](uint8_t value) { return value == 128; }))
        << "what others may hold must stay as it is";
    return std::ranges::all_of(pixels(out.at(0)), [](uint8_t value) { return value == 128; });
  }

  FakeClock clock;
  Withholding processor;
  std::vector<std::string> failures;

 private:
  Silent outlet_;
  std::optional<ProcessorHost> host_;
};

TEST_F(WithheldFrames, ShowThePanelOnceNothingWasGivenForAWhile) {
  host(Overlay::kPanel);
  EXPECT_TRUE(comes_as_it_is());
  clock.advance(ProcessorHost::kPanelAfter - 1ms);
  EXPECT_TRUE(comes_as_it_is());
  clock.advance(1ms);
  EXPECT_FALSE(comes_as_it_is());
  processor.ready = true;
  EXPECT_TRUE(comes_as_it_is());
  processor.ready = false;
  EXPECT_TRUE(comes_as_it_is()) << "the wait begins anew";
  clock.advance(ProcessorHost::kPanelAfter);
  EXPECT_FALSE(comes_as_it_is());
}

TEST_F(WithheldFrames, AreShownAsTheyCameWhereThatIsWanted) {
  for (const Overlay overlay : {Overlay::kPassthrough, Overlay::kNone}) {
    host(overlay);
    clock.advance(ProcessorHost::kPanelAfter);
    EXPECT_TRUE(comes_as_it_is());
  }
}

TEST_F(WithheldFrames, AreNotEvenAskedForWhileThePanelIsOn) {
  processor.ready = true;
  ProcessorHost& tested = host(Overlay::kNone, R"({"show_loading":true})");
  EXPECT_FALSE(comes_as_it_is());
  EXPECT_EQ(processor.calls, 0);
  tested.update(*Params::parse(R"({"show_loading":false})"));
  EXPECT_TRUE(comes_as_it_is());
  EXPECT_EQ(processor.calls, 1);
}

TEST_F(WithheldFrames, UpdatesOfThePanelAreNoneOfTheProcessors) {
  ProcessorHost& tested = host(Overlay::kPanel);
  tested.update(*Params::parse(R"({"loading_message":"soon","loading_progress":0.5})"));
  EXPECT_TRUE(processor.updates.empty());
  tested.update(*Params::parse(R"({"show_loading":true,"strength":2})"));
  ASSERT_EQ(processor.updates.size(), 1U);
  EXPECT_EQ(Params::parse(processor.updates[0])->integer("strength", 0), 2);
  tested.update(*Params::parse(R"({"show_loading":"perhaps","strength":3})"));
  EXPECT_EQ(processor.updates.size(), 1U) << "all or nothing";
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_NE(failures[0].find("show_loading"), std::string::npos) << failures[0];
}

}  // namespace
}  // namespace trickle
