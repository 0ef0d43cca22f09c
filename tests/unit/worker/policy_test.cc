// What a request may reach: servers, effects, files, and how often.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>

#include "worker/effect_policy.h"
#include "worker/rate_limit.h"
#include "worker/url_policy.h"

namespace trickle::worker {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST(UrlPrefix, OneThatEndsInTheHostMatchesTheWholeOfIt) {
  EXPECT_TRUE(begins_as_allowed("http://host/in", {"http://host"}));
  EXPECT_TRUE(begins_as_allowed("http://host:80/in", {"http://host:80"}));
  EXPECT_TRUE(begins_as_allowed("http://host/in", {"https://other/", "http://host/"}));
  EXPECT_TRUE(begins_as_allowed("http://host/stream-1", {"http://host/stream-"}));
  for (const char* url : {"http://host.evil.org/in", "http://host:8080/in", "http://hostess/in",
                          "http://host@evil.org/in", "https://host/in"}) {
    EXPECT_FALSE(begins_as_allowed(url, {"http://host"})) << url;
  }
}

TEST(PrivateAddress, IsKnownInEverySpelling) {
  for (const char* host : {"127.0.0.1",
                           "127.1",
                           "0x7f.1",
                           "2130706433",
                           "0",
                           "0.0.0.0",
                           "10.1.2.3",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.168.1.1",
                           "169.254.169.254",
                           "100.64.0.1",
                           "224.0.0.1",
                           "255.255.255.255",
                           "::1",
                           "::",
                           "::ffff:127.0.0.1",
                           "::ffff:10.0.0.1",
                           "fe80::1",
                           "fd00::1",
                           "ff02::1",
                           "2002:7f00:1::",
                           "64:ff9b::a00:1"}) {
    EXPECT_TRUE(is_private_address(host)) << host;
  }
  for (const char* host : {"8.8.8.8", "172.32.0.1", "172.15.0.1", "11.0.0.1", "2600::1", "example.org", ""}) {
    EXPECT_FALSE(is_private_address(host)) << host;
  }
}

TEST(UrlPolicy, RefusesPrivateHostsOfAnyUrlUnlessTheyAreAllowed) {
  boost::asio::io_context io;
  UrlPolicy open(io, {.prefixes = {}, .allow_private = true});
  UrlPolicy strict(io, {.prefixes = {}, .allow_private = false});
  std::optional<std::string> objection = "not called";
  const auto check = [&](UrlPolicy& policy, const std::vector<std::string>& urls) {
    objection = "not called";
    policy.check(urls, [&](const auto& result) { objection = result; });
    io.restart();
    io.run();
    return objection.value_or("allowed");
  };
  EXPECT_EQ(check(open, {"http://127.0.0.1/in", "http://10.0.0.1/out"}), "allowed");
  EXPECT_EQ(check(strict, {"http://8.8.8.8/in", "", ""}), "allowed");
  EXPECT_THAT(check(strict, {"http://8.8.8.8/in", "http://169.254.169.254/out"}),
              HasSubstr("169.254.169.254 is an address of a private network"));
  EXPECT_THAT(check(strict, {"http://[::1]:3389/in"}), HasSubstr("::1 is"));
  EXPECT_THAT(check(strict, {"http://user@127.0.0.1/in"}), HasSubstr("private"));
  // A name is looked up.
  EXPECT_THAT(check(strict, {"http://localhost/in"}), HasSubstr("localhost is an address"));
}

TEST(Loopback, IsWhatBindsToThisMachineOnly) {
  for (const char* host : {"127.0.0.1", "127.0.0.2", "::1", "localhost"})
    EXPECT_TRUE(is_loopback(host)) << host;
  for (const char* host : {"0.0.0.0", "10.0.0.1", "::", "example.org"})
    EXPECT_FALSE(is_loopback(host)) << host;
}

fx::ChainSpec torchscript(const std::string& model) {
  return {.effects = {{.effect = "torchscript", .parameters = {{"model", fx::ParameterValue(model)}}}}};
}

std::string model_of(const Result<fx::ChainSpec>& chain) {
  if (!chain) return chain.error().message();
  return std::get<std::string>(chain->effects[0].parameters.at("model"));
}

TEST(EffectPolicy, OpensNoFileForARequestWithoutAModelDirectory) {
  EXPECT_THAT(model_of(admit_effects(torchscript("/tmp/a.pt"), {})), HasSubstr("no --model-dir"));
}

TEST(EffectPolicy, KeepsFilesWithinTheModelDirectory) {
  std::string pattern = ::testing::TempDir() + "/models.XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  const auto root = std::filesystem::canonical(pattern);
  std::filesystem::create_directories(root / "models/sub");
  std::ofstream(root / "models/sub/a.pt") << "x";
  std::ofstream(root / "secret") << "x";
  std::filesystem::create_symlink(root / "secret", root / "models/link.pt");
  const EffectRules rules{.model_dir = root / "models", .allowed = {}};
  const std::string inside = (root / "models/sub/a.pt").string();
  EXPECT_EQ(model_of(admit_effects(torchscript("sub/a.pt"), rules)), inside);
  EXPECT_EQ(model_of(admit_effects(torchscript("sub/../sub/./a.pt"), rules)), inside);
  EXPECT_EQ(model_of(admit_effects(torchscript(inside), rules)), inside) << "an update repeats it";
  for (const std::string& file :
       {std::string("../secret"), std::string("/etc/passwd"), std::string("link.pt"), std::string("."),
        root.string() + "/models-not/a.pt"}) {
    EXPECT_EQ(model_of(admit_effects(torchscript(file), rules)),
              "model must be a file in the model directory")
        << file;
  }
  std::filesystem::remove_all(root);
}

TEST(EffectPolicy, RefusesEffectsThatCouldReadAnyFileUnlessTheyAreAllowed) {
  const fx::ChainSpec graph{.effects = {{.effect = "avfilter", .parameters = {}}}};
  EXPECT_THAT(admit_effects(graph, {}).error().message(), HasSubstr("--allow-effect avfilter"));
  EXPECT_TRUE(admit_effects(graph, {.model_dir = {}, .allowed = {"avfilter"}}));
  const fx::ChainSpec program{.effects = {{.effect = "exec", .parameters = {{"cmd", "reboot"}}}}};
  EXPECT_THAT(admit_effects(program, {}).error().message(), HasSubstr("--allow-effect exec"));
  EXPECT_TRUE(admit_effects({.effects = {{.effect = "invert", .parameters = {}}}}, {}));
}

TEST(RateLimit, AllowsABurstAndThenSoManyASecondFromEachAddress) {
  FakeClock clock;
  RateLimit limit(2);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(limit.take("a", clock.now()));
  EXPECT_FALSE(limit.take("a", clock.now()));
  EXPECT_TRUE(limit.take("b", clock.now()));
  clock.advance(500ms);
  EXPECT_TRUE(limit.take("a", clock.now()));
  EXPECT_FALSE(limit.take("a", clock.now()));
}

TEST(RateLimit, IsOffAtZero) {
  FakeClock clock;
  RateLimit limit(0);
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(limit.take("a", clock.now()));
}

TEST(RateLimit, ForgetsAddressesSoThatItDoesNotGrowForEver) {
  FakeClock clock;
  RateLimit limit(1);
  for (int i = 0; i < 30'000; ++i) {
    EXPECT_TRUE(limit.take(std::to_string(i), clock.now()));
    clock.advance(1ms);
  }
}

}  // namespace
}  // namespace trickle::worker
