// Token files, and what their tokens open.
#include "trickle/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

namespace trickle {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TokenList list_of(std::string_view text) {
  auto list = TokenList::parse(text);
  EXPECT_TRUE(list) << list.error().to_string();
  return *std::move(list);
}

TEST(TokenList, OpensEveryChannelWithoutAPattern) {
  const TokenList list = list_of("secret\n");
  EXPECT_TRUE(list.opens("secret", "cam"));
  EXPECT_TRUE(list.opens("secret", ""));
  EXPECT_FALSE(list.opens("secre", "cam"));
  EXPECT_FALSE(list.opens("secrets", "cam"));
  EXPECT_FALSE(list.opens("", "cam"));
}

TEST(TokenList, OpensTheChannelsOfItsPattern) {
  const TokenList list = list_of("a cam-*\nb cam-?\nc _changes\na news");
  EXPECT_TRUE(list.opens("a", "cam-1"));
  EXPECT_TRUE(list.opens("a", "cam-12"));
  EXPECT_TRUE(list.opens("a", "news"));
  EXPECT_FALSE(list.opens("a", "my-cam-1"));
  EXPECT_TRUE(list.opens("b", "cam-1"));
  EXPECT_FALSE(list.opens("b", "cam-12"));
  EXPECT_FALSE(list.opens("b", "news"));
  EXPECT_TRUE(list.opens("c", "_changes"));
}

TEST(TokenList, PassesOverEmptyLinesAndComments) {
  const TokenList list = list_of("# who may watch\r\n\r\n  alice \t cam* \r\n\t\n#bob\nbob");
  EXPECT_EQ(list.size(), 2u);
  EXPECT_TRUE(list.opens("alice", "camera"));
  EXPECT_TRUE(list.opens("bob", "x"));
  EXPECT_FALSE(list.opens("#bob", "x"));
}

TEST(TokenList, SaysWhichLineIsWrongAndNotWhatStandsInIt) {
  for (const char* wrong :
       {"good\nhunter2 cam extra", "good\nhunter2 a/b", "good\nhunter2\x01", "good\nhunter2\xc3\xa4"}) {
    const auto list = TokenList::parse(wrong);
    ASSERT_FALSE(list) << wrong;
    EXPECT_EQ(list.error().kind(), ErrorKind::kUsage);
    EXPECT_THAT(list.error().to_string(), HasSubstr("line 2: "));
    EXPECT_THAT(list.error().to_string(), Not(HasSubstr("hunter2")));
  }
}

TEST(TokenList, RefusesAFileWithoutATokenOrThatIsNotThere) {
  EXPECT_FALSE(TokenList::parse(""));
  EXPECT_FALSE(TokenList::parse("# nobody\n\n"));
  const auto missing = TokenList::read("/nonexistent/tokens");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().to_string(), HasSubstr("/nonexistent/tokens"));
  EXPECT_FALSE(TokenList::read("/"));
}

TEST(AccessRules, WithoutListsEverythingIsOpenAndNobodyIsAdmin) {
  const AccessRules rules;
  for (const Wish wish : {Wish::kRead, Wish::kReadNext, Wish::kWrite, Wish::kLookIn}) {
    EXPECT_EQ(rules.decide(wish, "cam", std::nullopt), Verdict::kAllowed);
    EXPECT_EQ(rules.decide(wish, "cam", "any"), Verdict::kAllowed);
  }
  EXPECT_FALSE(rules.is_admin("cam", "any"));
}

TEST(AccessRules, EachTokenOpensWhatItIsFor) {
  const AccessRules rules{
      .publish = list_of("pub cam*"), .subscribe = list_of("sub"), .admin = list_of("root")};
  struct Case {
    Wish wish;
    bool pub, sub;
  };
  for (const auto& [wish, pub, sub] : {Case{Wish::kRead, false, true}, Case{Wish::kReadNext, true, true},
                                       Case{Wish::kWrite, true, false}, Case{Wish::kLookIn, false, false}}) {
    SCOPED_TRACE(static_cast<int>(wish));
    EXPECT_EQ(rules.decide(wish, "cam1", std::nullopt), Verdict::kTokenNeeded);
    EXPECT_EQ(rules.decide(wish, "cam1", "wrong"), Verdict::kForbidden);
    EXPECT_EQ(rules.decide(wish, "cam1", "pub"), pub ? Verdict::kAllowed : Verdict::kForbidden);
    EXPECT_EQ(rules.decide(wish, "cam1", "sub"), sub ? Verdict::kAllowed : Verdict::kForbidden);
    EXPECT_EQ(rules.decide(wish, "cam1", "root"), Verdict::kAllowed);
  }
  EXPECT_EQ(rules.decide(Wish::kWrite, "news", "pub"), Verdict::kForbidden);
  EXPECT_TRUE(rules.is_admin("news", "root"));
  EXPECT_FALSE(rules.is_admin("cam1", "pub"));
}

TEST(AccessRules, WhereReadersNeedATokenPublishersMayStillAskForNext) {
  const AccessRules rules{.publish = std::nullopt, .subscribe = list_of("sub"), .admin = std::nullopt};
  EXPECT_EQ(rules.decide(Wish::kRead, "cam", std::nullopt), Verdict::kTokenNeeded);
  EXPECT_EQ(rules.decide(Wish::kReadNext, "cam", std::nullopt), Verdict::kAllowed);
  EXPECT_EQ(rules.decide(Wish::kWrite, "cam", std::nullopt), Verdict::kAllowed);
}

TEST(TokenOf, ReadsTheHeaderAndElseTheQuery) {
  http::RequestHead head;
  EXPECT_EQ(token_of(head), std::nullopt);
  head.query = {{"token", "from-query"}};
  EXPECT_EQ(token_of(head), "from-query");
  head.headers = {{"authorization", "Basic dXNlcg=="}};
  EXPECT_EQ(token_of(head), "from-query");
  head.headers = {{"authorization", "bearer   from-header"}};
  EXPECT_EQ(token_of(head), "from-header");
  head.headers = {{"Authorization", "Bearer "}};
  head.query.clear();
  EXPECT_EQ(token_of(head), std::nullopt);
}

TEST(ReadAccessRules, NamesTheOptionWhoseFileIsBad) {
  const auto none = read_access_rules("", "", "");
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->publish || none->subscribe || none->admin);
  const auto bad = read_access_rules("", "/nonexistent/tokens", "");
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().to_string(), HasSubstr("--subscribe-token-file /nonexistent/tokens"));
}

}  // namespace
}  // namespace trickle
