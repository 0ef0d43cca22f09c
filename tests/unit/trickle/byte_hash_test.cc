#include "trickle/byte_hash.h"

#include <gtest/gtest.h>

#include <string_view>

#include "http/url.h"
#include "trickle/wire.h"

namespace trickle {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(ByteHash, IsTheSameHoweverTheBytesAreCutAndDifferentForOthers) {
  constexpr std::string_view kText = "the quick brown fox jumps over the lazy dog";
  ByteHash whole;
  whole.add(bytes(kText));
  for (size_t cut = 0; cut <= kText.size(); ++cut) {
    ByteHash parts;
    parts.add(bytes(kText.substr(0, cut)));
    parts.add(bytes(kText.substr(cut)));
    EXPECT_EQ(parts.value(), whole.value());
    ByteHash shorter;
    shorter.add(bytes(kText.substr(0, cut)));
    EXPECT_EQ(shorter.value() == whole.value(), cut == kText.size());
  }
}

TEST(ParseSequence, TakesNumbersAndNothingElse) {
  EXPECT_EQ(parse_sequence("0"), 0);
  EXPECT_EQ(parse_sequence("9223372036854775806"), 9223372036854775806);
  for (const char* wrong :
       {"", "-1", "+1", " 1", "1 ", "0x1", "9223372036854775807", "99999999999999999999", "one"}) {
    EXPECT_FALSE(parse_sequence(wrong)) << wrong;
  }
}

TEST(Url, GetsSegmentNumbersBeforeItsQueryAndShowsNoSecrets) {
  const auto url = http::Url::parse("http://user:pass@host:1234/a/b/?token=hidden#x");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->full(), "http://user:pass@host:1234/a/b?token=hidden");
  EXPECT_EQ(url->child("17"), "http://user:pass@host:1234/a/b/17?token=hidden");
  EXPECT_EQ(url->display(), "http://host:1234/a/b");
}

TEST(Url, TakesAMissingSchemeForHttpAndRefusesOthers) {
  const auto plain = http::Url::parse("localhost:3389/c");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->full(), "http://localhost:3389/c");
  EXPECT_EQ(http::Url::parse("[::1]:3389/c")->child("0"), "http://[::1]:3389/c/0");
  EXPECT_FALSE(http::Url::parse("ftp://host/c"));
  EXPECT_FALSE(http::Url::parse(""));
  EXPECT_FALSE(http::Url::parse("http://:bad:/"));
}

}  // namespace
}  // namespace trickle
