// Every rule of the parameters that trickle-api(7) states.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "worker/stream_params.h"

namespace trickle::worker {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

Result<ParamsUpdate> at_start(const std::string& text) { return apply_params({}, json::parse(text), true); }

std::string refusal(const std::string& text) {
  const auto result = at_start(text);
  return result ? "accepted" : result.error().message();
}

TEST(Params, WidthAndHeightAreIntegersOrIntegerStrings) {
  EXPECT_EQ(at_start(R"({"width":704,"height":384})")->params.size->width, 704);
  EXPECT_EQ(at_start(R"({"width":"704","height":"384"})")->params.size->height, 384);
  EXPECT_EQ(at_start(R"({"width":704.0,"height":384})")->params.size->width, 704);
  for (const char* bad : {"704.5", "\"7 04\"", "\"\"", "\"0x10\"", "true", "[704]", "{}", "\"704px\""}) {
    EXPECT_THAT(refusal(R"({"height":384,"width":)" + std::string(bad) + "}"),
                HasSubstr("width must be an integer from 2 to 8192"))
        << bad;
  }
}

TEST(Params, WidthAndHeightComeTogetherOrNotAtAll) {
  EXPECT_EQ(refusal(R"({"width":704})"), "width and height must be given together");
  EXPECT_EQ(refusal(R"({"height":384,"width":null})"), "width and height must be given together");
  EXPECT_FALSE(at_start("{}")->params.size);
}

TEST(Params, WidthAndHeightArePositiveUpTo8192AlsoAfterRoundingDown) {
  EXPECT_EQ(at_start(R"({"width":705,"height":385})")->params.size->width, 704);
  EXPECT_EQ(at_start(R"({"width":8192,"height":2})")->params.size->width, 8192);
  for (const char* bad : {"1", "0", "-2", "8193", "1e300", "99999999999999999999"}) {
    EXPECT_THAT(refusal(R"({"height":384,"width":)" + std::string(bad) + "}"), HasSubstr("width must be"))
        << bad;
  }
}

TEST(Params, MaxFramerateIsFrom1To60) {
  EXPECT_EQ(at_start(R"({"max_framerate":60})")->params.max_framerate, 60);
  EXPECT_EQ(at_start(R"({"max_framerate":"1"})")->params.max_framerate, 1);
  for (const char* bad : {"0", "61", "-1", "\"fast\"", "29.97"}) {
    EXPECT_EQ(refusal(R"({"max_framerate":)" + std::string(bad) + "}"),
              "max_framerate must be an integer from 1 to 60")
        << bad;
  }
}

TEST(Params, DetectOutResolutionTakesEveryFormOfABoolean) {
  for (const char* yes : {"true", "1", "\"true\"", "\"TRUE\"", "\"1\"", "\"yes\""}) {
    EXPECT_TRUE(
        at_start(R"({"detect_out_resolution":)" + std::string(yes) + "}")->params.detect_out_resolution);
  }
  for (const char* no : {"false", "0", "\"false\"", "\"0\"", "\"no\"", "\"No\""}) {
    EXPECT_FALSE(
        at_start(R"({"detect_out_resolution":)" + std::string(no) + "}")->params.detect_out_resolution);
  }
  for (const char* bad : {"2", "-1", "0.5", "\"maybe\"", "[]", "{}"}) {
    EXPECT_THAT(refusal(R"({"detect_out_resolution":)" + std::string(bad) + "}"),
                HasSubstr("detect_out_resolution must be true or false"))
        << bad;
  }
  EXPECT_TRUE(at_start("{}")->params.detect_out_resolution) << "the default";
}

TEST(Params, AnEffectComesWithItsOwnParameters) {
  const auto update = at_start(R"({"effect":"red_tint","intensity":0.3})");
  ASSERT_TRUE(update);
  EXPECT_EQ(fx::to_string(update->params.effects), "red_tint:intensity=0.3");
  EXPECT_TRUE(update->warnings.empty());
}

TEST(Params, AnUnknownEffectOrAValueOutOfRangeNamesWhatIsAllowed) {
  EXPECT_THAT(refusal(R"({"effect":"sparkle"})"), HasSubstr("red_tint"));
  EXPECT_THAT(refusal(R"({"effect":"red_tint","intensity":1.5})"), HasSubstr("intensity"));
  EXPECT_THAT(refusal(R"({"effect":"red_tint","intensity":1.5})"), HasSubstr("from -1 to 1"));
  EXPECT_THAT(refusal(R"({"effect":7})"), HasSubstr("effect"));
}

TEST(Params, UnknownNamesAreAcceptedWithAWarning) {
  const auto update = at_start(R"({"prompt":"a cat","effect":"none"})");
  ASSERT_TRUE(update);
  ASSERT_EQ(update->warnings.size(), 1u);
  EXPECT_THAT(update->warnings[0], HasSubstr("\"prompt\""));
}

TEST(Params, OursAreChecked) {
  const auto params =
      at_start(
          R"({"audio":"aac","video_codec":"libx265","video_bitrate":"2M","gop_seconds":0.5,"on_lag":"block"})")
          ->params;
  EXPECT_EQ(params.audio, "aac");
  EXPECT_EQ(params.video_codec, "libx265");
  EXPECT_EQ(params.video_bitrate, 2'000'000u);
  EXPECT_DOUBLE_EQ(params.gop_seconds, 0.5);
  EXPECT_EQ(params.on_lag, "block");
  EXPECT_EQ(refusal(R"({"audio":"mp3"})"), "audio must be one of opus, aac, copy, none");
  EXPECT_EQ(refusal(R"({"on_lag":"panic"})"), "on_lag must be one of drop, block, fail");
  EXPECT_EQ(refusal(R"({"gop_seconds":0})"), "gop_seconds must be a number from 0.1 to 60");
  EXPECT_THAT(refusal(R"({"video_bitrate":"fast"})"), HasSubstr("video_bitrate must be bits per second"));
  EXPECT_THAT(refusal(R"({"video_bitrate":10})"), HasSubstr("video_bitrate"));
  EXPECT_THAT(refusal(R"({"video_codec":"--help"})"), HasSubstr("video_codec must be"));
  EXPECT_THAT(refusal(R"({"video_codec":""})"), HasSubstr("video_codec must be"));
}

TEST(Params, AnUpdateIsAppliedWholeOrNotAtAll) {
  const auto before = at_start(R"({"effect":"red_tint","intensity":0.3,"width":704,"height":384})")->params;
  EXPECT_FALSE(apply_params(before, json::parse(R"({"intensity":0.5,"max_framerate":99})"), false));
  const auto after = apply_params(before, json::parse(R"({"intensity":0.5})"), false);
  ASSERT_TRUE(after);
  EXPECT_EQ(fx::to_string(after->params.effects), "red_tint:intensity=0.5");
  EXPECT_EQ(after->params.size->width, 704) << "what an update does not name stays";
}

TEST(Params, WhatIsFixedAtTheStartMayBeRepeatedButNotChanged) {
  const auto before = at_start(R"({"audio":"aac"})")->params;
  EXPECT_TRUE(apply_params(before, json::parse(R"({"audio":"aac"})"), false));
  const auto changed = apply_params(before, json::parse(R"({"audio":"opus"})"), false);
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().message(), "audio is fixed when the stream starts");
}

TEST(Params, DetectOutResolutionOfAnUpdateIsAcceptedWithAWarningAndStaysAsItWas) {
  const auto before = at_start(R"({"detect_out_resolution":"no"})")->params;
  const auto after = apply_params(before, json::parse(R"({"detect_out_resolution":true})"), false);
  ASSERT_TRUE(after);
  EXPECT_FALSE(after->params.detect_out_resolution);
  EXPECT_EQ(after->warnings,
            std::vector<std::string>{"detect_out_resolution is fixed when the stream starts"});
  EXPECT_TRUE(apply_params(before, json::parse(R"({"detect_out_resolution":0})"), false)->warnings.empty());
  EXPECT_FALSE(apply_params(before, json::parse(R"({"detect_out_resolution":"maybe"})"), false));
}

TEST(Params, MustBeAnObject) {
  for (const char* bad : {"[]", "7", "\"x\"", "null"})
    EXPECT_THAT(refusal(bad), HasSubstr("JSON object")) << bad;
}

}  // namespace
}  // namespace trickle::worker
