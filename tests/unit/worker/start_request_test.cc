#include "worker/start_request.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "fx/registry.h"
#include "worker/openapi.h"
#include "worker/schema.h"
#include "worker/stream_plan.h"

namespace trickle::worker {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string refusal(const std::string& body) {
  const auto request = parse_start(body, "");
  return request ? "accepted" : request.error().message();
}

const char* const kBoth = R"({"subscribe_url":"http://h/in","publish_url":"http://h/out?token=secret",)"
                          R"("gateway_request_id":"a","params":{"width":704,"height":384,"max_framerate":15,)"
                          R"("effect":"red_tint","intensity":0.3}})";

TEST(StartRequest, NeedsASubscribeOrAPublishUrl) {
  EXPECT_EQ(refusal("{}"), "subscribe_url or publish_url must be given");
  EXPECT_EQ(refusal(R"({"subscribe_url":null,"publish_url":""})"),
            "subscribe_url or publish_url must be given");
  EXPECT_EQ(refusal(R"({"subscribe_url":"http://h/in"})"), "accepted");
  EXPECT_EQ(refusal(R"({"publish_url":"https://h:1/a/b"})"), "accepted");
}

TEST(StartRequest, TakesOnlyHttpUrlsThatNameAChannel) {
  for (const char* bad : {"\"ftp://h/in\"", "\"/etc/passwd\"", "\"http://h/\"", "\"http://\"",
                          "\"file:///x\"", "\"http://h\"", "\"http://h/a/../in\"", "\"http://h/%2e%2E/in\"",
                          "7", "[\"http://h/in\"]", "\"http://h/a b\"", "\"-\""}) {
    EXPECT_EQ(refusal(R"({"subscribe_url":)" + std::string(bad) + "}"),
              "subscribe_url must be a string with an http or https URL that names a channel")
        << bad;
  }
  EXPECT_THAT(refusal(R"({"subscribe_url":"http://h/in","events_url":"nonsense"})"), HasSubstr("events_url"));
}

TEST(StartRequest, RefusesABodyThatIsNoJsonObject) {
  EXPECT_EQ(refusal(""), "the body is not valid JSON");
  EXPECT_EQ(refusal("{\"subscribe_url\":"), "the body is not valid JSON");
  EXPECT_EQ(refusal("[1]"), "the body must be a JSON object");
  EXPECT_EQ(refusal(R"({"subscribe_url":"http://h/in","params":[1]})"), "params must be an object");
}

TEST(StartRequest, RefusesWrongParameters) {
  EXPECT_EQ(refusal(R"({"subscribe_url":"http://h/in","params":{"width":704}})"),
            "width and height must be given together");
}

TEST(StartRequest, TakesItsIdFromTheBodyThenFromTheHeaderAndElseMakesOneUp) {
  EXPECT_EQ(parse_start(R"({"publish_url":"http://h/o","gateway_request_id":"b"})", "h")->id, "b");
  EXPECT_EQ(parse_start(R"({"publish_url":"http://h/o"})", "h")->id, "h");
  const auto made_up = parse_start(R"({"publish_url":"http://h/o"})", "")->id;
  EXPECT_EQ(made_up.size(), 16u);
  EXPECT_NE(made_up, parse_start(R"({"publish_url":"http://h/o"})", "")->id);
  EXPECT_THAT(refusal(R"({"publish_url":"http://h/o","gateway_request_id":7})"),
              HasSubstr("gateway_request_id"));
}

TEST(StreamPlan, IsTheFullChainWithoutSecretsInItsArguments) {
  const auto request = *parse_start(kBoth, "");
  const auto stages = plan_stream(request, request.params, {.token = "bearer"}, false);
  ASSERT_EQ(stages.size(), 5u);
  EXPECT_EQ(stages[0].program, "trickle-sub");
  EXPECT_EQ(stages[4].program, "trickle-pub");
  for (const auto& stage : stages) {
    for (const auto& argument : stage.arguments) {
      EXPECT_THAT(argument, Not(HasSubstr("http")));
      EXPECT_THAT(argument, Not(HasSubstr("secret")));
      EXPECT_THAT(argument, Not(HasSubstr("bearer")));
    }
  }
  EXPECT_THAT(stages[0].environment,
              Contains(std::pair<std::string, std::string>("TRICKLE_SUBSCRIBE_URL", "http://h/in")));
  EXPECT_THAT(stages[4].environment, Contains(std::pair<std::string, std::string>(
                                         "TRICKLE_PUBLISH_URL", "http://h/out?token=secret")));
  EXPECT_THAT(stages[4].environment,
              Contains(std::pair<std::string, std::string>("TRICKLE_TOKEN", "bearer")));
  EXPECT_THAT(stages[1].arguments,
              ElementsAre("--pix-fmt", "yuv420p", "--audio", "copy", "--size", "704x384", "--max-fps", "15"));
  EXPECT_THAT(stages[2].arguments,
              ElementsAre("--on-lag", "drop", "--overlay", "panel", "red_tint", "intensity=0.3"));
}

TEST(StartRequest, RefusesPortsThatThereAreNotAndNamesThatAreTooLong) {
  for (const char* url : {"http://h:0/in", "http://h:99999/in", "http://h:65536/in"}) {
    const auto request = parse_start(R"({"subscribe_url":")" + std::string(url) + "\"}", "");
    ASSERT_FALSE(request) << url;
    EXPECT_THAT(request.error().message(), HasSubstr("subscribe_url"));
  }
  EXPECT_TRUE(parse_start(R"({"subscribe_url":"http://h:65535/in"})", std::string(256, 'a')));
  const auto request = parse_start(R"({"subscribe_url":"http://h/in"})", std::string(257, 'a'));
  ASSERT_FALSE(request);
  EXPECT_THAT(request.error().message(), HasSubstr("X-Stream-Id"));
}

TEST(StreamPlan, TellsWhatSpareProgramsMustBeToldUnlessTheEffectTakesLong) {
  auto request = parse_start(
      R"({"subscribe_url":"http://h/in","publish_url":"http://h/out",
          "params":{"effect":"red_tint","intensity":0.3,"width":64,"height":48,"max_framerate":15}})",
      "");
  ASSERT_TRUE(request);
  auto stages = plan_stream(*request, request->params, {}, false);
  const auto spare = plan_spare({});
  EXPECT_EQ(stages[1].spare_arguments, spare[0].arguments);
  EXPECT_EQ(stages[1].spare_settings, R"({"width":64,"height":48,"max_framerate":15})");
  EXPECT_EQ(stages[2].spare_arguments, spare[1].arguments);
  EXPECT_EQ(stages[2].spare_settings, R"({"effect":"red_tint","intensity":0.3})");
  EXPECT_EQ(stages[3].arguments, spare[2].arguments);

  request->params.effects = {{{"torchscript", {{"model", std::string("m.pt")}}}}};
  stages = plan_stream(*request, request->params, {}, false);
  EXPECT_THAT(stages[2].spare_arguments, IsEmpty());
}

TEST(StreamPlan, GoesOnInTheSameChannelAfterARestart) {
  const auto request = *parse_start(kBoth, "");
  const auto first = plan_stream(request, request.params, {}, false);
  const auto again = plan_stream(request, request.params, {}, true);
  EXPECT_THAT(first[4].arguments, Contains("--keep-channel"));
  EXPECT_THAT(first[4].arguments, Not(Contains("next")));
  EXPECT_THAT(again[4].arguments, Contains("--keep-channel"));
  EXPECT_THAT(again[4].arguments, Contains("next"));
  EXPECT_THAT(again[0].arguments, Contains("next"));
}

TEST(StreamPlan, EndsAtTheEffectWithoutAPublishUrlAndIsThePublisherAloneWithoutASubscribeUrl) {
  const auto in = *parse_start(R"({"subscribe_url":"http://h/in"})", "");
  EXPECT_EQ(plan_stream(in, in.params, {}, false).back().program, "trickle-fx");
  const auto out = *parse_start(R"({"publish_url":"http://h/out"})", "");
  const auto stages = plan_stream(out, out.params, {}, false);
  ASSERT_EQ(stages.size(), 1u);
  EXPECT_EQ(stages[0].program, "trickle-pub");
}

TEST(Schema, IsWhatOpenapiDescribes) {
  const auto document = openapi();
  const auto& schemas = document["components"]["schemas"];
  for (const Field& field : start_fields()) {
    EXPECT_TRUE(schemas["StartRequest"]["properties"].contains(std::string(field.name))) << field.name;
  }
  for (const Field& field : param_fields()) {
    EXPECT_TRUE(schemas["Params"]["properties"].contains(std::string(field.name))) << field.name;
  }
  for (const auto& effect : fx::effects()) {
    for (const auto& parameter : effect.parameters) {
      EXPECT_TRUE(schemas["Params"]["properties"].contains(parameter.name)) << parameter.name;
    }
  }
  for (const char* path : {"/api/stream/start", "/stream/start", "/live-video-to-video", "/health"}) {
    EXPECT_TRUE(document["paths"].contains(path)) << path;
  }
}

TEST(StartRequestId, IsTextThatCanBeNamedAgain) {
  const std::string url = R"("subscribe_url":"http://host/in")";
  for (const char* id : {"a\\nb", "a\\u0000b", "\\u007f"}) {
    const auto request = parse_start(fmt::format(R"({{{},"gateway_request_id":"{}"}})", url, id), "");
    ASSERT_FALSE(request) << id;
    EXPECT_EQ(request.error().message(),
              "gateway_request_id must be a string of 1 to 256 bytes without control characters");
  }
  for (const char* id : {"\xff\xfe", "a\x01"}) {
    const auto request = parse_start(fmt::format("{{{}}}", url), id);
    ASSERT_FALSE(request) << id;
    EXPECT_EQ(request.error().message(),
              "X-Stream-Id must be a string of 1 to 256 bytes without control characters");
  }
  EXPECT_EQ(parse_start(fmt::format("{{{}}}", url), "\u00e9 /x").value().id, "\u00e9 /x");
}

}  // namespace
}  // namespace trickle::worker
