#include <gtest/gtest.h>

#include <future>
#include <utility>

#include "fx/run_chain.h"

namespace trickle::fx {
namespace {

// Gives a frame and a packet of sound in turn, `count` of each, and calls `before` with the number of each
// frame.
class ScriptedSource final : public FrameSource {
 public:
  ScriptedSource(int count, std::function<void(int)> before) : count_(count), before_(std::move(before)) {
    info_.video.emplace();
    info_.video->width = 16;
    info_.video->height = 8;
    info_.video->format = PixelFormat::kRgb24;
    info_.audio.resize(1);
    info_.audio[0].codec = "aac";
  }
  [[nodiscard]] const StreamInfo& info() const override { return info_; }
  Result<std::optional<FrameItem>> read() override {
    const int number = given_ / 2;
    if (given_ % 2 == 0) before_(number);
    if (number == count_) return std::optional<FrameItem>();
    if (given_++ % 2 == 1) {
      AudioPacket packet;
      packet.timestamp = {number, {1, 25}};
      return std::optional<FrameItem>(AudioItem{packet});
    }
    VideoItem item{make_video_frame(PixelFormat::kRgb24, 16, 8)};
    item.frame.timestamp = {number, {1, 25}};
    return std::optional<FrameItem>(std::move(item));
  }

 private:
  int count_;
  std::function<void(int)> before_;
  int given_ = 0;
  StreamInfo info_;
};

struct Written {
  std::vector<int64_t> pictures, sounds;
};

class RecordingSink final : public FrameSink {
 public:
  explicit RecordingSink(Written& written) : written_(written) {}
  Result<void> write(FrameItem item) override {
    if (const auto* video = std::get_if<VideoItem>(&item)) {
      written_.pictures.push_back(video->frame.timestamp.ticks);
    } else {
      written_.sounds.push_back(std::get<AudioItem>(item).packet.timestamp.ticks);
    }
    return {};
  }
  Result<void> finish() override { return {}; }

 private:
  Written& written_;
};

// Keeps its first frame until it may go on.
class GatedGraph final : public VideoGraph {
 public:
  GatedGraph(std::promise<void>& entered, std::shared_future<void> gate)
      : entered_(entered), gate_(std::move(gate)) {}
  Result<void> push(VideoFrame frame, std::vector<VideoFrame>& out) override {
    if (std::exchange(first_, false)) entered_.set_value();
    gate_.wait();
    out.push_back(std::move(frame));
    return {};
  }
  Result<void> finish(std::vector<VideoFrame>& /*out*/) override { return {}; }
  Result<void> command(const std::string& /*commands*/) override { return {}; }

 private:
  std::promise<void>& entered_;
  std::shared_future<void> gate_;
  bool first_ = true;
};

// `count` frames and packets come while an effect is busy with the first frame, and no more after it.
Written run_while_busy(int count, std::chrono::milliseconds longest_wait, Counters& counters) {
  RunOptions options;
  options.drop_on_lag = true;
  options.longest_wait = longest_wait;
  std::promise<void> entered, release;
  auto host = std::make_shared<EffectHost>();
  host->make_video_graph = [&, gate = release.get_future().share()](const std::string&) {
    return Result<std::unique_ptr<VideoGraph>>(std::make_unique<GatedGraph>(entered, gate));
  };
  ScriptedSource source(count, [&](int number) {
    if (number == 1) entered.get_future().wait();
    if (number == count) release.set_value();
  });
  const std::vector<std::string> effect{"avfilter:graph=model"};
  const auto chain = *LiveChain::make(*parse_chain(effect), host);
  Written written;
  const auto open = [&](const StreamInfo&) {
    return Result<std::unique_ptr<FrameSink>>(std::make_unique<RecordingSink>(written));
  };
  EXPECT_TRUE(run_chain(source, open, *chain, options, counters));
  return written;
}

std::vector<int64_t> from_0_to(int64_t last) {
  std::vector<int64_t> numbers;
  for (int64_t i = 0; i <= last; ++i) numbers.push_back(i);
  return numbers;
}

TEST(LaggingRun, DropsTheOldestFramesThatWaitedTooLongCountsThemAndKeepsAllSound) {
  Counters counters;
  const Written written = run_while_busy(50, std::chrono::milliseconds(0), counters);
  EXPECT_EQ(written.pictures, (std::vector<int64_t>{0, 49}));
  EXPECT_EQ(counters.drops(Drop::kLag), 48U);
  EXPECT_EQ(counters.drops_total(), 48U);
  EXPECT_EQ(written.sounds, from_0_to(49));
}

TEST(LaggingRun, KeepsFramesThatDidNotWaitLong) {
  Counters counters;
  const Written written = run_while_busy(50, std::chrono::hours(1), counters);
  EXPECT_EQ(written.pictures, from_0_to(49));
  EXPECT_EQ(written.sounds, from_0_to(49));
  EXPECT_EQ(counters.drops_total(), 0U);
}

TEST(LaggingRun, WaitsWhereFramesMayNotBeDropped) {
  ScriptedSource source(50, [](int) {});
  const std::vector<std::string> effect{"red_tint"};
  const auto chain = *LiveChain::make(*parse_chain(effect));
  Written written;
  const auto open = [&](const StreamInfo&) {
    return Result<std::unique_ptr<FrameSink>>(std::make_unique<RecordingSink>(written));
  };
  Counters counters;
  ASSERT_TRUE(run_chain(source, open, *chain, {}, counters));
  EXPECT_EQ(written.pictures, from_0_to(49));
  EXPECT_EQ(written.sounds, from_0_to(49));
}

}  // namespace
}  // namespace trickle::fx
