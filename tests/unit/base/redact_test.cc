#include "base/redact.h"

#include <gtest/gtest.h>

namespace trickle {
namespace {

TEST(RedactSecrets, HidesTheTokenOfAQuery) {
  EXPECT_EQ(redact_secrets("http://h/out?token=hidden"), "http://h/out?token=***");
  EXPECT_EQ(redact_secrets("http://h/out?a=1&token=hidden&b=2"), "http://h/out?a=1&token=***&b=2");
  EXPECT_EQ(redact_secrets("can't reach http://h/out?token=hidden, and http://h/in?token=other"),
            "can't reach http://h/out?token=***, and http://h/in?token=***");
}

TEST(RedactSecrets, HidesNameAndPasswordBeforeAHost) {
  EXPECT_EQ(redact_secrets("https://me:secret@h:1/out"), "https://***@h:1/out");
  EXPECT_EQ(redact_secrets("https://me@p@ss@h/out and http://h/a@b"), "https://***@h/out and http://h/a@b");
}

TEST(RedactSecrets, LeavesTheRestAlone) {
  for (const char* text :
       {"", "http://h/out", "http://h/token=7", "a token=7", "mail me@home", "://", "?token="}) {
    EXPECT_EQ(redact_secrets(text), std::string(text) == "?token=" ? "?token=***" : text);
  }
}

}  // namespace
}  // namespace trickle
