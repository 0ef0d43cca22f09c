#include "worker/document_reader.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace trickle::worker {
namespace {

using Outcome = DocumentReader::Outcome;
using nlohmann::json;

class DocumentReaderTest : public ::testing::Test {
 protected:
  Outcome take(const std::string& line) { return reader_.take(line, document_); }
  DocumentReader reader_{1000};
  json document_;
};

TEST_F(DocumentReaderTest, TakesADocumentInOneLine) {
  EXPECT_EQ(take(R"({"intensity":0.3})"), Outcome::kDocument);
  EXPECT_EQ(document_["intensity"], 0.3);
}

TEST_F(DocumentReaderTest, TakesNothingThatIsNestedSoDeeplyThatHandlingItWouldExhaustTheStack) {
  DocumentReader reader(10'000'000);
  EXPECT_EQ(reader.take(std::string(1'000'000, '['), document_), Outcome::kJunk);
  const std::string deep = R"({"a":)" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}";
  EXPECT_EQ(reader.take(deep, document_), Outcome::kJunk);
  // Brackets in a text are no nesting.
  EXPECT_EQ(
      reader.take(R"({"a":")" + std::string(1000, '[') + "\\\"" + std::string(1000, '{') + "\"}", document_),
      Outcome::kDocument);
}

TEST_F(DocumentReaderTest, GivesADocumentOfEndlesslyManyLinesUp) {
  DocumentReader reader(10'000'000);
  Outcome outcome = reader.take("[1", document_);
  int lines = 1;
  for (; outcome == Outcome::kIncomplete && lines < 1000; ++lines) outcome = reader.take(",1", document_);
  EXPECT_EQ(outcome, Outcome::kJunk);
  EXPECT_EQ(reader.take("{}", document_), Outcome::kDocument);
}

TEST_F(DocumentReaderTest, PutsADocumentOverSeveralLinesTogether) {
  EXPECT_EQ(take("{"), Outcome::kIncomplete);
  EXPECT_EQ(take(R"(  "effect": "invert")"), Outcome::kIncomplete);
  EXPECT_EQ(take("}"), Outcome::kDocument);
  EXPECT_EQ(document_["effect"], "invert");
}

TEST_F(DocumentReaderTest, ForgetsJunk) {
  EXPECT_EQ(take("junk"), Outcome::kJunk);
  EXPECT_EQ(take("{\"a\":\xff}"), Outcome::kJunk);
  EXPECT_EQ(take(R"({"a":1})"), Outcome::kDocument);
}

TEST_F(DocumentReaderTest, LosesAtMostTheNextDocumentToOneThatWasCutShort) {
  EXPECT_EQ(take(R"({"a":)"), Outcome::kIncomplete);
  EXPECT_EQ(take(R"({"b":2})"), Outcome::kIncomplete) << "it could be the value of a";
  EXPECT_EQ(take(R"({"b":3})"), Outcome::kDocument);
  EXPECT_EQ(document_["b"], 3);
}

TEST_F(DocumentReaderTest, SkipsBlankLines) {
  EXPECT_EQ(take(""), Outcome::kIncomplete);
  EXPECT_EQ(take(" \r"), Outcome::kIncomplete);
  EXPECT_EQ(take("[]"), Outcome::kDocument);
}

TEST_F(DocumentReaderTest, GivesUpOnADocumentBeyondTheLimit) {
  EXPECT_EQ(take("[\"" + std::string(2000, 'x')), Outcome::kJunk);
  EXPECT_EQ(take("["), Outcome::kIncomplete);
  for (int i = 0; i < 100; ++i) take("1,1,1,1,1,1,1,");
  EXPECT_EQ(take("{}"), Outcome::kDocument) << "nothing grows without bound";
}

}  // namespace
}  // namespace trickle::worker
