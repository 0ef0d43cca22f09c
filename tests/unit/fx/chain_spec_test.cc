#include "fx/chain_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace trickle::fx {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Result<ChainSpec> parse(std::vector<std::string> args) { return parse_chain(args); }

ChainSpec chain(std::vector<std::string> args) {
  auto result = parse(std::move(args));
  EXPECT_TRUE(result) << result.error().message();
  return result ? *result : ChainSpec{};
}

std::string refusal(std::vector<std::string> args) {
  auto result = parse(std::move(args));
  EXPECT_FALSE(result);
  if (result) return {};
  EXPECT_EQ(result.error().kind(), ErrorKind::kUsage);
  return result.error().message();
}

std::string update_refusal(std::string_view json, const ChainSpec& current = {}) {
  auto result = apply_update_text(current, json);
  EXPECT_FALSE(result) << json;
  return result ? std::string() : result.error().message();
}

ChainUpdate update(std::string_view json, const ChainSpec& current = {}) {
  auto result = apply_update_text(current, json);
  EXPECT_TRUE(result) << json << ": " << result.error().message();
  return result ? *result : ChainUpdate{};
}

double intensity(const ChainSpec& spec, size_t effect = 0) {
  return std::get<double>(spec.effects.at(effect).parameters.at("intensity"));
}

TEST(ParseChain, FillsInDefaults) {
  const ChainSpec spec = chain({"red_tint"});
  ASSERT_EQ(spec.effects.size(), 1u);
  EXPECT_EQ(spec.effects[0].effect, "red_tint");
  EXPECT_EQ(intensity(spec), 0.5);
}

TEST(ParseChain, TakesParametersAfterTheColonAndAfterTheEffect) {
  EXPECT_EQ(chain({"red_tint:intensity=0.3"}), chain({"red_tint", "intensity=0.3"}));
  EXPECT_EQ(intensity(chain({"grayscale", "red_tint:intensity=-0.25", "invert"}), 1), -0.25);
  EXPECT_EQ(intensity(chain({"red_tint", "intensity=.1", "blue_tint", "intensity=1"}), 1), 1);
}

TEST(ParseChain, TakesListsWithAndWithoutBrackets) {
  const ChainSpec expected = chain({"color_shift:color_shift=[0.1,0,-0.1]"});
  EXPECT_EQ(std::get<std::vector<double>>(expected.effects[0].parameters.at("color_shift")),
            (std::vector<double>{0.1, 0, -0.1}));
  EXPECT_EQ(chain({"color_shift:color_shift=0.1,0,-0.1"}), expected);
  EXPECT_EQ(chain({"color_shift", "color_shift=0.1, 0, -0.1"}), expected);
  EXPECT_EQ(chain({"color_shift", "color_shift=[0.1, 0, -0.1]"}), expected);
}

TEST(ParseChain, RefusesWithASentenceThatNamesWhatIsAllowed) {
  EXPECT_EQ(refusal({"red_tint:intensity=7"}), "intensity of red_tint must be a number from -1 to 1, not 7");
  EXPECT_EQ(refusal({"brightness", "intensity=-0.1"}),
            "intensity of brightness must be a number from 0 to 1, not -0.1");
  EXPECT_EQ(refusal({"red_tint:intensity=lots"}),
            "intensity of red_tint must be a number from -1 to 1, not \"lots\"");
  EXPECT_EQ(refusal({"color_shift:color_shift=[1,2]"}),
            "color_shift of color_shift must be a list of 3 numbers from -1 to 1, not [1, 2]");
  EXPECT_EQ(refusal({"invert:intensity=1"}), "invert has no parameter \"intensity\": it has none");
  EXPECT_EQ(refusal({"red_tint:intensity"}),
            "\"intensity\" after red_tint is not a parameter: write NAME=VALUE");
  EXPECT_EQ(refusal({"intensity=1"}), "\"intensity=1\" has no effect before it: name the effect first");
  EXPECT_THAT(refusal({"sparkle"}),
              HasSubstr("unknown effect \"sparkle\": it must be one of none, red_tint, "));
  EXPECT_THAT(refusal({""}), HasSubstr("unknown effect \"\""));
  EXPECT_THAT(refusal(std::vector<std::string>(33, "invert")), HasSubstr("at most 32 effects"));
}

TEST(ParseChain, RefusesNumbersThatAreNone) {
  for (const char* number : {"", "nan", "inf", "1e999", "0.1x", "0x1", " 0.1"}) {
    EXPECT_FALSE(parse({"red_tint", std::string("intensity=") + number})) << number;
  }
}

TEST(ChainText, IsReadBackAsTheSameChain) {
  const ChainSpec spec = chain({"grayscale", "color_shift:color_shift=0.1,0,-0.1", "red_tint:intensity=0.3"});
  EXPECT_EQ(to_string(spec), "grayscale color_shift:color_shift=[0.1,0,-0.1] red_tint:intensity=0.3");
  EXPECT_EQ(chain({"grayscale", "color_shift:color_shift=[0.1,0,-0.1]", "red_tint:intensity=0.3"}), spec);
  EXPECT_EQ(to_string(ChainSpec{}), "none");
}

TEST(ChainJson, IsReadBackAsTheSameChain) {
  const ChainSpec other = chain({"invert", "blue_tint"});
  for (const auto& spec : {chain({"red_tint:intensity=0.3"}), chain({"none"}),
                           chain({"grayscale", "color_shift:color_shift=0.1,0,-0.1", "brightness"})}) {
    EXPECT_EQ(update(to_json_text(spec), other).chain, spec) << to_json_text(spec);
  }
  EXPECT_EQ(to_json_text(chain({"red_tint:intensity=0.3"})), R"({"effect":"red_tint","intensity":0.3})");
}

TEST(ApplyUpdate, MakesANewChainWhenItNamesAnEffect) {
  const ChainSpec current = chain({"red_tint:intensity=0.9"});
  EXPECT_EQ(update(R"({"effect":"blue_tint","intensity":0.3})", current).chain,
            chain({"blue_tint:intensity=0.3"}));
  EXPECT_EQ(update(R"({"effect":"blue_tint"})", current).chain, chain({"blue_tint"}));
}

TEST(ApplyUpdate, MergesIntoTheChainWhenItNamesNone) {
  const ChainSpec current = chain({"grayscale", "red_tint:intensity=0.9", "brightness:intensity=0.4"});
  EXPECT_EQ(update(R"({"intensity":0.2})", current).chain,
            chain({"grayscale", "red_tint:intensity=0.2", "brightness:intensity=0.2"}));
  EXPECT_EQ(update("{}", current).chain, current);
}

TEST(ApplyUpdate, TakesListsOfEffectsInEverySpelling) {
  const ChainSpec expected = chain({"grayscale", "red_tint:intensity=0.3"});
  for (const char* json :
       {R"([{"effect":"grayscale"},{"effect":"red_tint","intensity":0.3}])",
        R"(["grayscale",{"effect":"red_tint","intensity":0.3}])",
        R"({"effect":["grayscale","red_tint"],"intensity":0.3})",
        R"({"effects":["grayscale",{"effect":"red_tint","intensity":0.3}],"intensity":0.7})"}) {
    EXPECT_EQ(update(json).chain, expected) << json;
  }
  EXPECT_EQ(update("[]", expected).chain, ChainSpec{});
}

TEST(ApplyUpdate, TakesNumbersInStrings) {
  EXPECT_EQ(update(R"({"effect":"red_tint","intensity":"0.3"})").chain, chain({"red_tint:intensity=0.3"}));
}

TEST(ApplyUpdate, TellsUnknownNamesFromUnusedOnes) {
  const auto result = update(
      R"({"effect":"red_tint","color_shift":[0.1,0,-0.1],"prompt":"a cat","width":704,"intensity":0.3})");
  EXPECT_EQ(result.chain, chain({"red_tint:intensity=0.3"}));
  EXPECT_THAT(result.unknown, ElementsAre("prompt", "width"));
  EXPECT_THAT(result.unused, ElementsAre("color_shift"));
  EXPECT_THAT(update(R"({"effect":"red_tint"})").unknown, IsEmpty());
}

TEST(ApplyUpdate, RefusesWithASentenceThatNamesTheField) {
  const ChainSpec current = chain({"red_tint"});
  EXPECT_EQ(update_refusal(R"({"intensity":1.5})", current),
            "intensity of red_tint must be a number from -1 to 1, not 1.5");
  EXPECT_EQ(update_refusal(R"({"intensity":null})", current),
            "intensity of red_tint must be a number from -1 to 1, not \"null\"");
  EXPECT_EQ(update_refusal(R"({"intensity":true})", current),
            "intensity of red_tint must be a number from -1 to 1, not \"true\"");
  EXPECT_EQ(update_refusal(R"({"effect":"color_shift","color_shift":[0.1,0]})"),
            "color_shift of color_shift must be a list of 3 numbers from -1 to 1, not [0.1, 0]");
  EXPECT_EQ(update_refusal(R"({"effect":"grayscale","intensity":"much"})"),
            "intensity of brightness must be a number from 0 to 1, not \"much\"");
  EXPECT_THAT(update_refusal(R"({"effect":"sparkle"})"), HasSubstr("unknown effect \"sparkle\""));
  EXPECT_EQ(update_refusal(R"({"effect":7})"), "effect must be the name of an effect, or a list of effects");
  EXPECT_EQ(update_refusal(R"({"effect":["invert"],"effects":[]})"),
            "give either effect or effects, not both");
  EXPECT_THAT(update_refusal(R"([{"intensity":1}])"), HasSubstr("each entry in a list of effects"));
  EXPECT_EQ(update_refusal("7"), "an update of effects must be a JSON object, or a list of effects");
  EXPECT_EQ(update_refusal("{\"intensity\":"), "the update is not valid JSON");
}

TEST(ApplyUpdate, SurvivesDeepNestingAndLongTexts) {
  const std::string deep(200'000, '[');
  EXPECT_FALSE(apply_update_text({}, deep));
  const auto nested = [](size_t levels) {
    return R"({"effect":"red_tint","intensity":)" + std::string(levels, '[') + std::string(levels, ']') + "}";
  };
  EXPECT_EQ(update_refusal(nested(200'000)), "the update is nested too deeply");
  EXPECT_EQ(update_refusal(nested(50)),
            "intensity of red_tint must be a number from -1 to 1, not \"this list\"");
  const std::string text = R"({"effect":"red_tint","intensity":")" + std::string(100'000, 'x') + "\"}";
  EXPECT_LT(update_refusal(text).size(), 200u);
}

TEST(Registry, HoldsAnEffectsDefaultsWithinTheirOwnLimits) {
  ASSERT_FALSE(effects().empty());
  EXPECT_EQ(effects().front().name, "none");
  for (const auto& effect : effects()) {
    EXPECT_EQ(find_effect(effect.name), &effect);
    EXPECT_NE(effect.color == nullptr, effect.create == nullptr) << effect.name;
    EXPECT_TRUE(effect.text.ends_with(".")) << effect.name;
    for (const auto& parameter : effect.parameters) {
      EXPECT_TRUE(check_parameter(effect, parameter, parameter.default_value)) << effect.name;
      EXPECT_TRUE(parameter.text.ends_with(".")) << parameter.name;
    }
  }
}

TEST(Registry, ListsEveryEffectInBothForms) {
  const auto json = nlohmann::json::parse(list_json());
  const std::string text = list_text();
  ASSERT_EQ(json.at("effects").size(), effects().size());
  for (size_t i = 0; i < effects().size(); ++i) {
    EXPECT_EQ(json.at("effects").at(i).at("name"), effects()[i].name);
    EXPECT_THAT(text, HasSubstr(effects()[i].text));
  }
  EXPECT_EQ(json.at("effects").at(1).at("parameters").at(0).at("maximum"), 1);
  EXPECT_EQ(json.at("effects").at(1).at("parameters").at(0).at("default"), 0.5);
}

}  // namespace
}  // namespace trickle::fx
