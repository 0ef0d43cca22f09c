// Hands a failed Result on to the caller, the one line of error plumbing that C++20 lacks.
#pragma once

#include "trickle/result.h"

/// `TRICKLE_TRY(expr);` returns the error of `expr` from the enclosing function when it failed.
#define TRICKLE_TRY(...)                                                   \
  do {                                                                     \
    if (auto trickle_try_result = (__VA_ARGS__); !trickle_try_result)      \
      return ::trickle::unexpected(std::move(trickle_try_result).error()); \
  } while (false)

#define TRICKLE_TRY_CONCAT_(a, b) a##b
#define TRICKLE_TRY_NAME_(a, b) TRICKLE_TRY_CONCAT_(a, b)

/// `TRICKLE_TRY_ASSIGN(auto x, expr);` declares x from the value of `expr`, or returns its error.
#define TRICKLE_TRY_ASSIGN(declaration, ...)                                                    \
  auto TRICKLE_TRY_NAME_(trickle_try_, __LINE__) = (__VA_ARGS__);                               \
  if (!TRICKLE_TRY_NAME_(trickle_try_, __LINE__))                                               \
    return ::trickle::unexpected(std::move(TRICKLE_TRY_NAME_(trickle_try_, __LINE__)).error()); \
  declaration = *std::move(TRICKLE_TRY_NAME_(trickle_try_, __LINE__))
