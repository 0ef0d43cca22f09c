#include "io/stop.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <csignal>

namespace trickle {
namespace {

TEST(StopToken, ThatWasDefaultMadeNeverStops) {
  const StopToken token;
  EXPECT_FALSE(token.stop_requested());
  EXPECT_EQ(token.fd(), -1);
}

TEST(StopSource, MakesItsTokensReadableOnceAndForAll) {
  const StopSource source;
  const StopToken token = source.token();
  source.request_stop();
  source.request_stop();
  pollfd entry{token.fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&entry, 1, 0), 1);
  EXPECT_TRUE(token.stop_requested());
}

TEST(StopOnSignals, StopsAtTheFirstAndExits130AtTheSecond) {
  EXPECT_EXIT(
      {
        const StopToken token = stop_on_signals();
        std::raise(SIGTERM);
        if (!token.stop_requested()) ::_exit(1);
        std::raise(SIGINT);
        ::_exit(2);
      },
      ::testing::ExitedWithCode(130), "");
}

}  // namespace
}  // namespace trickle
