#include "trickle/relay_target.h"

#include <gtest/gtest.h>

#include "trickle/relay.h"

namespace trickle {
namespace {

using Kind = RelayTarget::Kind;

TEST(RelayTarget, TellsTheKindsOfPathsApart) {
  EXPECT_EQ(parse_relay_target("/cam", "/").kind, Kind::kChannel);
  EXPECT_EQ(parse_relay_target("/cam/next", "/").kind, Kind::kNext);
  EXPECT_EQ(parse_relay_target("/cam/live", "/").kind, Kind::kLive);
  EXPECT_EQ(parse_relay_target("/_channels", "/").kind, Kind::kChannels);
  EXPECT_EQ(parse_relay_target("/_health", "/").kind, Kind::kHealth);
  EXPECT_EQ(parse_relay_target("/", "/").kind, Kind::kUnknown);
  EXPECT_EQ(parse_relay_target("/a/b/c", "/").kind, Kind::kUnknown);
  const auto segment = parse_relay_target("/ai/trickle/cam/-2", "/ai/trickle/");
  EXPECT_EQ(segment.kind, Kind::kSegment);
  EXPECT_EQ(segment.channel, "cam");
  EXPECT_EQ(segment.segment, "-2");
  EXPECT_EQ(parse_relay_target("/cam/-2", "/ai/trickle/").kind, Kind::kUnknown);
}

TEST(RelayTarget, ChecksNamesAfterDecoding) {
  EXPECT_EQ(parse_relay_target("/c%61m/0", "/").channel, "cam");
  EXPECT_EQ(parse_relay_target("/a%2Fb/0", "/").kind, Kind::kBadName);
  EXPECT_EQ(parse_relay_target("/a%20b", "/").kind, Kind::kBadName);
  EXPECT_EQ(parse_relay_target("/%zz", "/").kind, Kind::kBadName);
  EXPECT_EQ(parse_relay_target("//0", "/").kind, Kind::kBadName);
  EXPECT_EQ(parse_relay_target("/" + std::string(255, 'n'), "/").kind, Kind::kChannel);
  EXPECT_EQ(parse_relay_target("/" + std::string(256, 'n'), "/").kind, Kind::kBadName);
}

TEST(RelayTarget, KnowsWhatIsANumber) {
  EXPECT_EQ(parse_segment_number("0"), 0);
  EXPECT_EQ(parse_segment_number("-7"), -7);
  EXPECT_EQ(parse_segment_number("9223372036854775806"), INT64_MAX - 1);
  for (const char* text : {"", "-", "--1", "+1", "0x1", "1 ", " 1", "1.5", "abc", "9223372036854775807",
                           "9223372036854775808", "-9223372036854775808", "99999999999999999999999"}) {
    EXPECT_EQ(parse_segment_number(text), std::nullopt) << text;
  }
}

TEST(RelayTarget, KnowsWhatIsARead) {
  EXPECT_EQ(parse_read_selector("oldest")->kind, ReadSelector::Kind::kOldest);
  EXPECT_EQ(parse_read_selector("-3")->kind, ReadSelector::Kind::kFromEnd);
  EXPECT_EQ(parse_read_selector("-3")->value, 3);
  EXPECT_EQ(parse_read_selector("12")->kind, ReadSelector::Kind::kNumber);
  EXPECT_FALSE(parse_read_selector("newest"));
}

TEST(RelayTarget, NormalisesTheBasePath) {
  EXPECT_EQ(*normal_base_path("/"), "/");
  EXPECT_EQ(*normal_base_path("ai/trickle"), "/ai/trickle/");
  EXPECT_EQ(normal_base_path("/a//b").error().kind(), ErrorKind::kUsage);
  EXPECT_EQ(normal_base_path("/a?b").error().kind(), ErrorKind::kUsage);
  EXPECT_FALSE(check_channel_name("_changes"));
  EXPECT_FALSE(check_channel_name("a b"));
  EXPECT_TRUE(check_channel_name("cam-1.x_~"));
}

}  // namespace
}  // namespace trickle
