#include "trickle/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/try.h"

namespace trickle {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return unexpected(ErrorKind::kUsage, "odd");
  return number / 2;
}

Result<std::string> half_as_text(int number) {
  TRICKLE_TRY_ASSIGN(const int result, half(number));
  return std::to_string(result);
}

Result<void> check_half(int number) {
  TRICKLE_TRY(half(number));
  return {};
}

TEST(Result, HoldsAValueOrAnError) {
  EXPECT_EQ(*half(4), 2);
  EXPECT_EQ(half(3).error().kind(), ErrorKind::kUsage);
  EXPECT_EQ(half(3).value_or(7), 7);
}

TEST(Result, HandsErrorsOnToTheCaller) {
  EXPECT_EQ(*half_as_text(8), "4");
  EXPECT_EQ(half_as_text(1).error().message(), "odd");
  EXPECT_TRUE(check_half(2));
  EXPECT_FALSE(check_half(5));
}

TEST(Result, CarriesMoveOnlyValues) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(5);
  const std::unique_ptr<int> owned = *std::move(result);
  EXPECT_EQ(*owned, 5);
}

TEST(Error, NamesItsWholeChainOfCauses) {
  const Error error(ErrorKind::kNetwork, "can't publish", Error(ErrorKind::kIo, "connection reset"));
  EXPECT_EQ(error.to_string(), "can't publish: connection reset");
  EXPECT_EQ(error.cause()->kind(), ErrorKind::kIo);
}

}  // namespace
}  // namespace trickle
