// The whole chain in this process, over a real relay.
#include "trickle/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>

#include "integration/media_clip.h"
#include "integration/test_relay.h"

namespace trickle {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ContainsRegex;
using testing::decode_clip;
using ::testing::HasSubstr;
using testing::joined;
using testing::loudness;
using testing::make_clip;
using testing::mean_of_first_plane;
using testing::TestRelay;

constexpr int kFrames = 50;

const std::string& clip() {
  static const std::string bytes = make_clip(kFrames);
  return bytes;
}

class ClientOverRelay : public ::testing::Test {
 protected:
  ClientOptions options() {
    ClientOptions result;
    result.subscribe_url = relay_.url("in");
    result.publish_url = relay_.url("out");
    result.start = "oldest";
    result.encode.threads = result.decode.threads = 1;
    result.encode.gop = std::chrono::seconds(1);
    return result;
  }
  TestRelay relay_;
};

// What a test wants a processor to do, and what was called.
class Processor : public FrameProcessor {
 public:
  std::function<Result<VideoOutput>(VideoFrame)> on_video = [](VideoFrame frame) {
    return VideoOutput(std::move(frame));
  };
  std::function<Result<AudioOutput>(AudioFrame)> on_audio;
  std::vector<std::string> calls;
  std::vector<std::string> updates;
  std::atomic<int> loads{0};

  using FrameProcessor::emit_data;
  using FrameProcessor::emit_event;

  Result<void> load() override {
    ++loads;
    return {};
  }
  Result<void> on_stream_start(const Params& params) override {
    calls.push_back("start " + params.json());
    return {};
  }
  void on_stream_stop() override { calls.emplace_back("stop"); }
  Result<void> update_params(const Params& params) override {
    updates.push_back(params.json());
    if (params.has("bad")) throw std::invalid_argument("bad is not allowed");
    return {};
  }
  Result<VideoOutput> process_video(VideoFrame frame) override { return on_video(std::move(frame)); }
  [[nodiscard]] bool processes_audio() const override { return static_cast<bool>(on_audio); }
  Result<AudioOutput> process_audio(AudioFrame frame) override { return on_audio(std::move(frame)); }
};

TEST_F(ClientOverRelay, EveryFrameIsProcessedAndKeepsItsTime) {
  auto recording = relay_.record("out");
  relay_.publish_clip("in", clip(), true);
  SimpleClient client(relay_.url("in"), relay_.url("out"),
                      {.format = PixelFormat::kRgb24, .start = "oldest", .handle_signals = false});
  std::atomic<int> seen{0};
  // The input channel stays: the client is done when it has seen the last frame.
  const Result<void> result = client.process([&](VideoFrame& frame) {
    ASSERT_TRUE(frame.writable());
    for (int y = 0; y < frame.height; ++y) {
      std::memset(frame.planes[0].data + y * frame.planes[0].stride_bytes, 200,
                  static_cast<size_t>(frame.width) * 3);
    }
    if (++seen == kFrames) client.stop();
  });
  ASSERT_TRUE(result) << result.error().to_string();
  const auto segments = recording.get();
  const auto before = decode_clip(clip()), after = decode_clip(joined(segments));
  ASSERT_EQ(after.frames.size(), before.frames.size());
  for (size_t i = 0; i < after.frames.size(); ++i) {
    EXPECT_EQ(after.frames[i].timestamp, before.frames[i].timestamp);
    EXPECT_NEAR(mean_of_first_plane(after.frames[i]), 16 + 200 * 219 / 255.0, 2);  // Full to limited range.
  }
  EXPECT_EQ(after.sound.size(), before.sound.size());
  EXPECT_EQ(client.numbers().frames_out, static_cast<uint64_t>(kFrames));
}

TEST_F(ClientOverRelay, TheEndOfTheInputEndsTheOutputChannel) {
  auto recording = relay_.record("out");
  auto publishing = std::async(std::launch::async, [&] { relay_.publish_clip("in", clip()); });
  Processor processor;
  ClientOptions wanted = options();
  wanted.params = *Params::parse(R"({"strength":3})");
  Client client(processor, wanted);
  const Result<void> result = client.run();
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(decode_clip(joined(recording.get())).frames.size(), static_cast<size_t>(kFrames));
  EXPECT_THAT(processor.calls, ::testing::ElementsAre(R"(start {"strength":3})", "stop"));
}

TEST_F(ClientOverRelay, FramesOnWhichTheProcessorFailsPassAndAreCounted) {
  auto recording = relay_.record("out"), events = relay_.record("events");
  auto publishing = std::async(std::launch::async, [&] { relay_.publish_clip("in", clip()); });
  Processor processor;
  int number = 0;
  processor.on_video = [&](VideoFrame frame) -> Result<VideoOutput> {
    switch (number++ % 4) {
      case 0:
        throw std::runtime_error("the model tripped");
      case 1:
        throw 7;
      case 2:
        return unexpected(ErrorKind::kBadData, "not a face");
      default:
        return VideoOutput(std::vector<VideoFrame>{VideoFrame{}});  // No picture.
    }
    return VideoOutput(std::move(frame));
  };
  ClientOptions wanted = options();
  wanted.events_url = relay_.url("events");
  Client client(processor, wanted);
  ASSERT_TRUE(client.run());
  EXPECT_EQ(client.numbers().frames_failed, static_cast<uint64_t>(kFrames));
  const auto before = decode_clip(clip()), after = decode_clip(joined(recording.get()));
  ASSERT_EQ(after.frames.size(), before.frames.size());
  for (size_t i = 0; i < after.frames.size(); ++i) {
    EXPECT_NEAR(mean_of_first_plane(after.frames[i]), mean_of_first_plane(before.frames[i]), 3);
  }
  const auto said = events.get();
  EXPECT_THAT(said.front(), HasSubstr(R"("type":"stream_started")"));
  EXPECT_THAT(said, Contains(ContainsRegex("\"type\":\"error\".*the model tripped")));
  EXPECT_THAT(said, Contains(HasSubstr("receive_first_ingest_segment")));
  EXPECT_THAT(said, Contains(HasSubstr("send_first_processed_segment")));
  EXPECT_THAT(said.back(), HasSubstr(R"("type":"stream_stopped")"));
}

TEST_F(ClientOverRelay, AFrameMayBecomeSeveralOrNoneOrBeWithheld) {
  auto recording = relay_.record("out");
  auto publishing = std::async(std::launch::async, [&] { relay_.publish_clip("in", clip()); });
  Processor processor;
  int number = 0;
  processor.on_video = [&](VideoFrame frame) -> Result<VideoOutput> {
    switch (number++) {
      case 0:
        return VideoOutput::none();
      case 1:
        return VideoOutput::withheld();
      case 2: {
        VideoFrame between = frame;
        between.timestamp.ticks += 1000;
        return VideoOutput(std::vector<VideoFrame>{frame, between});
      }
      default:
        return VideoOutput(std::move(frame));
    }
  };
  Client client(processor, options());
  ASSERT_TRUE(client.run());
  const ClientNumbers n = client.numbers();
  EXPECT_EQ(n.frames_left_out, 1U);
  EXPECT_EQ(n.frames_withheld, 1U);
  EXPECT_EQ(n.frames_out, static_cast<uint64_t>(kFrames));  // One more, one less.
  EXPECT_EQ(decode_clip(joined(recording.get())).frames.size(), static_cast<size_t>(kFrames));
}

TEST_F(ClientOverRelay, SoundIsGivenAsSamplesToThoseWhoAskForIt) {
  auto recording = relay_.record("out");
  auto publishing = std::async(std::launch::async, [&] { relay_.publish_clip("in", clip()); });
  Processor processor;
  std::atomic<size_t> samples{0};
  processor.on_audio = [&](AudioFrame frame) -> Result<AudioOutput> {
    EXPECT_EQ(frame.format, SampleFormat::kFloat);
    EXPECT_EQ(frame.sample_rate, testing::kClipRate);
    samples += frame.samples;
    for (int c = 0; c < frame.channels; ++c) {
      for (float& value : frame.floats(c)) value *= 0.25F;
    }
    return AudioOutput{std::move(frame)};
  };
  Client client(processor, options());
  ASSERT_TRUE(client.run());
  EXPECT_GE(samples, static_cast<size_t>(kFrames * testing::kClipRate / testing::kClipFps));
  const auto before = decode_clip(clip()), after = decode_clip(joined(recording.get()));
  EXPECT_NEAR(loudness(after.sound), loudness(before.sound) / 4, 0.02);
  // Sound stays where it was, within a tick of the sample clock and an encoder's priming.
  EXPECT_NEAR(after.sound.front().timestamp.seconds(), before.sound.front().timestamp.seconds(), 0.04);
}

TEST_F(ClientOverRelay, SoundOnWhichTheProcessorFailsPasses) {
  auto recording = relay_.record("out");
  auto publishing = std::async(std::launch::async, [&] { relay_.publish_clip("in", clip()); });
  Processor processor;
  processor.on_audio = [&](AudioFrame frame) -> Result<AudioOutput> {
    for (float& value : frame.floats(0)) value = 0;
    return AudioOutput{make_audio_frame(SampleFormat::kFloat, 8000, 7, 10)};
  };
  Client client(processor, options());
  ASSERT_TRUE(client.run());
  EXPECT_GT(client.numbers().frames_failed, 0U);
  EXPECT_NEAR(loudness(decode_clip(joined(recording.get())).sound), loudness(decode_clip(clip()).sound),
              0.02);
}

TEST_F(ClientOverRelay, ATooSlowProcessorCostsCountedFramesAndNoSound) {
  auto recording = relay_.record("out");
  constexpr uint64_t kMeanwhile = 10;
  std::atomic<uint64_t> decoded = 0;
  auto publishing = std::async(std::launch::async, [&] {
    const std::string& bytes = clip();
    auto publisher = Publisher::open({.url = relay_.url("in")});
    ASSERT_TRUE(publisher);
    ASSERT_TRUE((*publisher)->begin_segment());
    const auto all = std::as_bytes(std::span(bytes));
    ASSERT_TRUE((*publisher)->write(all.first(all.size() / 2)));
    while (decoded < kMeanwhile) std::this_thread::yield();
    std::this_thread::sleep_for(600ms);  // What has been decoded waits for longer than it may.
    ASSERT_TRUE((*publisher)->write(all.subspan(all.size() / 2)));
    ASSERT_TRUE((*publisher)->finish());
  });
  Processor processor;
  Client* running = nullptr;
  processor.on_video = [&](VideoFrame frame) -> Result<VideoOutput> {
    // Stands still until all the rest has been decoded.
    while ((decoded = running->numbers().frames_in) < kFrames) std::this_thread::yield();
    return VideoOutput(std::move(frame));
  };
  ClientOptions wanted = options();
  wanted.on_lag = OnLag::kDrop;
  Client client(processor, wanted);
  running = &client;
  ASSERT_TRUE(client.run());
  const ClientNumbers n = client.numbers();
  EXPECT_EQ(n.frames_in, static_cast<uint64_t>(kFrames));
  EXPECT_GE(n.dropped_lag, kMeanwhile - 2);  // One is in the processor, and one may not be in the queue yet.
  EXPECT_EQ(n.frames_out + n.dropped_lag, n.frames_in);
  const auto after = decode_clip(joined(recording.get()));
  EXPECT_EQ(after.frames.size(), n.frames_out);
  EXPECT_EQ(after.sound.size(), decode_clip(clip()).sound.size());
}

TEST_F(ClientOverRelay, ControlDocumentsReachTheProcessorAndWhatItEmitsIsPublished) {
  auto data = relay_.record("data"), events = relay_.record("events"), recording = relay_.record("out");
  relay_.publish_documents("control",
                           {R"({"keep":"alive"})", "junk", R"({"a":1,"b":1})", R"({"b":2})", R"({"bad":1})"});
  relay_.publish_clip("in", clip(), true);
  Processor processor;
  Client* running = nullptr;
  int number = 0;
  processor.on_video = [&](VideoFrame frame) -> Result<VideoOutput> {
    EXPECT_TRUE(processor.emit_data("{\"frame\":" + std::to_string(number++) + "}"));
    EXPECT_FALSE(processor.emit_data("{half"));
    EXPECT_FALSE(processor.emit_event("7"));
    EXPECT_TRUE(processor.emit_event(R"({"type":"seen","who":"me"})"));
    return VideoOutput(std::move(frame));
  };
  ClientOptions wanted = options();
  wanted.control_url = relay_.url("control");
  wanted.events_url = relay_.url("events");
  wanted.data_url = relay_.url("data");
  Client client(processor, wanted);
  running = &client;
  // Updates are applied while no frame comes, too: the end is when the last one has arrived.
  std::jthread ender([&] {
    while (client.numbers().frames_out < kFrames) std::this_thread::yield();
    std::string last;
    const auto subscriber =
        Subscriber::open({.url = relay_.url("events"), .start = "oldest", .wait_for_channel = 30s});
    while (last.find("bad is not allowed") == std::string::npos)
      last = (**(*subscriber)->read_segment()).bytes;
    running->stop();
  });
  EXPECT_FALSE(processor.emit_data("1"));  // No stream runs yet.
  ASSERT_TRUE(client.run());
  EXPECT_FALSE(client.update_params("[]"));
  std::string all;
  for (const auto& update : processor.updates) all += update;
  EXPECT_THAT(all, HasSubstr(R"("b":2)"));
  EXPECT_THAT(all, HasSubstr(R"("bad":1)"));
  EXPECT_THAT(all, ::testing::Not(HasSubstr("keep")));
  std::string items;
  for (const auto& segment : data.get()) {
    EXPECT_EQ(segment.front(), '[');
    EXPECT_EQ(segment.substr(segment.size() - 2), "]\n");
    items += segment;
  }
  for (int i = 0; i < kFrames; ++i) EXPECT_THAT(items, HasSubstr("{\"frame\":" + std::to_string(i) + "}"));
  const auto said = events.get();
  EXPECT_THAT(said, Contains(HasSubstr(R"("params":{"a":1,"b":1})")));
  EXPECT_THAT(said, Contains(ContainsRegex("\"type\":\"seen\".*\"who\":\"me\"")));
  EXPECT_THAT(said, Contains(HasSubstr("control: parameters must be a JSON object")));
}

TEST_F(ClientOverRelay, AChannelThatIsNotThereIsNotFound) {
  Processor processor;
  ClientOptions wanted = options();
  wanted.wait_for_channel = 0ms;
  Client client(processor, wanted);
  const Result<void> result = client.run();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind(), ErrorKind::kNotFound);
  EXPECT_EQ(processor.calls.size(), 2U);
}

TEST_F(ClientOverRelay, WhatIsNoVideoIsBadData) {
  relay_.publish_documents("in", {std::string(5000, 'x')});
  Processor processor;
  Client client(processor, options());
  std::jthread ender([&] {
    while (client.numbers().segments_in == 0) std::this_thread::yield();
    client.stop();
  });
  const Result<void> result = client.run();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind(), ErrorKind::kBadData);
}

TEST_F(ClientOverRelay, APublishedChannelThatIsTakenAwayEndsTheStream) {
  relay_.publish_clip("in", clip(), true);
  // Once something of it has come out: a channel that is deleted before it is there is made all the same.
  const auto taking_away = std::async(std::launch::async, [this] {
    auto reader = Subscriber::open(
        {.url = relay_.url("out"), .start = "oldest", .wait_for_channel = std::chrono::seconds(60)});
    EXPECT_TRUE((*reader)->read());
    auto other = Publisher::open({.url = relay_.url("out")});
    EXPECT_TRUE((*other)->finish());  // Deletes the channel.
  });
  Processor processor;
  Client client(processor, options());
  const Result<void> result = client.run();  // The input never ends.
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind(), ErrorKind::kNotFound) << result.error().to_string();
}

TEST_F(ClientOverRelay, WhoRefusesTheStreamEndsItWithTheReason) {
  class Refusing final : public FrameProcessor {
    Result<void> on_stream_start(const Params&) override { throw std::runtime_error("no licence"); }
  } processor;
  Client client(processor, options());
  const Result<void> result = client.run();
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().to_string(), HasSubstr("on_stream_start: no licence"));
}

TEST_F(ClientOverRelay, AModelIsLoadedOnceForTwoStreams) {
  Processor processor;
  for (int i = 0; i < 2; ++i) {
    ClientOptions wanted = options();
    wanted.wait_for_channel = 0ms;
    EXPECT_FALSE(Client(processor, wanted).run());
  }
  EXPECT_EQ(processor.loads, 1);
}

TEST(ClientOptionsTest, AUrlIsNeeded) {
  Processor processor;
  EXPECT_EQ(Client(processor, {}).run().error().kind(), ErrorKind::kUsage);
  ClientOptions wanted;
  wanted.subscribe_url = "gopher://x";
  EXPECT_EQ(Client(processor, wanted).run().error().kind(), ErrorKind::kUsage);
}

}  // namespace
}  // namespace trickle
