#include "io/endpoint.h"

#include <gtest/gtest.h>

namespace trickle {
namespace {

TEST(ParseEndpoint, TakesNamesAddressesAndBarePorts) {
  EXPECT_EQ(parse_endpoint("127.0.0.1:3389")->to_string(), "127.0.0.1:3389");
  EXPECT_EQ(parse_endpoint("[::1]:80")->host, "::1");
  EXPECT_EQ(parse_endpoint("[::1]:80")->to_string(), "[::1]:80");
  EXPECT_EQ(parse_endpoint(":8080")->host, "0.0.0.0");
  EXPECT_EQ(parse_endpoint("8080")->to_string(), "127.0.0.1:8080");
}

TEST(ParseEndpoint, RefusesWhatIsNoAddress) {
  for (const char* text : {"", "host:", "host:x", "host:65536", "::1:80", "host:-1", "host:80x"}) {
    EXPECT_FALSE(parse_endpoint(text)) << text;
  }
}

}  // namespace
}  // namespace trickle
