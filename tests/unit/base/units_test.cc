#include "base/units.h"

#include <gtest/gtest.h>

namespace trickle {
namespace {

using std::chrono::microseconds;

TEST(ParseDuration, TakesTheUsualUnits) {
  EXPECT_EQ(*parse_duration("2"), microseconds(2'000'000));
  EXPECT_EQ(*parse_duration("2s"), microseconds(2'000'000));
  EXPECT_EQ(*parse_duration("1.5m"), microseconds(90'000'000));
  EXPECT_EQ(*parse_duration("40ms"), microseconds(40'000));
  EXPECT_EQ(*parse_duration("0"), microseconds(0));
}

TEST(ParseDuration, RefusesWhatIsNoDuration) {
  for (const char* text : {"", "s", "-1s", "1 s", "2sec", "nan", "inf", "1e300h"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(ParseBytes, CountsInPowersOf1024) {
  EXPECT_EQ(*parse_bytes("32M"), 32u << 20);
  EXPECT_EQ(*parse_bytes("64KiB"), 64u << 10);
  EXPECT_EQ(*parse_bytes("100"), 100u);
}

TEST(ParseBytes, RefusesWhatIsNoSize) {
  for (const char* text : {"", "M", "-5", "5X", "1e30G"}) EXPECT_FALSE(parse_bytes(text)) << text;
}

TEST(FormatBytes, PicksAUnitAPersonCanRead) {
  EXPECT_EQ(format_bytes(999), "999 bytes");
  EXPECT_EQ(format_bytes(3 << 19), "1.5 MiB");
}

TEST(Rounded, GivesTheNearestNumberThatIsWrittenWithSoManyDecimals) {
  EXPECT_EQ(rounded(500.1 + 99.578, 3), 599.678);
  EXPECT_EQ(rounded(29.97002997, 1), 30.0);
  EXPECT_EQ(rounded(-0.25, 0), 0.0);
  EXPECT_EQ(rounded(1e12, 3), 1e12);
}

}  // namespace
}  // namespace trickle
