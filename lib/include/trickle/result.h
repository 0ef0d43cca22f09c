// Result<T>: a value or an Error. The way every fallible function of this library reports failure.
//
// The interface follows std::expected (C++23), so that it can be replaced by it one day. Values of these
// types may be used from any thread, one thread at a time, like a std::string.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace trickle {

/// What went wrong, as far as a caller could act on it differently. Each kind has one exit code in the tools
/// (lib/cli/exit_code.h).
enum class ErrorKind {
  kUsage,      ///< The caller asked for something impossible: a bad option, a value out of range.
  kNotFound,   ///< The channel (or file) does not exist.
  kRefused,    ///< The peer refused us: authentication or authorisation.
  kNetwork,    ///< The network or the server gave up on us, after the retries that were asked for.
  kBadData,    ///< The input is not what it should be.
  kClosed,     ///< The reader of our output went away (EPIPE). The tools end quietly on it.
  kCancelled,  ///< A stop was asked for while the call waited.
  kIo,         ///< The operating system failed a read, a write, an open.
  kInternal,   ///< A library failed, or an invariant of ours broke.
};

/// A failure: its kind, one sentence for a person (no full stop, no newline), and what caused it, if
/// anything.
class Error {
 public:
  Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}
  Error(ErrorKind kind, std::string message, Error cause)
      : kind_(kind), message_(std::move(message)), cause_(std::make_shared<const Error>(std::move(cause))) {}

  [[nodiscard]] ErrorKind kind() const { return kind_; }
  [[nodiscard]] const std::string& message() const { return message_; }
  /// The failure underneath, or null. Owned by this Error.
  [[nodiscard]] const Error* cause() const { return cause_.get(); }

  /// "message: cause: cause of the cause".
  [[nodiscard]] std::string to_string() const {
    return cause_ ? message_ + ": " + cause_->to_string() : message_;
  }

 private:
  ErrorKind kind_;
  std::string message_;
  std::shared_ptr<const Error> cause_;
};

/// `return unexpected(ErrorKind::kIo, "…")` makes any Result a failed one.
class Unexpected {
 public:
  explicit Unexpected(Error error) : error_(std::move(error)) {}
  [[nodiscard]] Error& error() { return error_; }

 private:
  Error error_;
};

[[nodiscard]] inline Unexpected unexpected(ErrorKind kind, std::string message) {
  return Unexpected(Error(kind, std::move(message)));
}
[[nodiscard]] inline Unexpected unexpected(Error error) { return Unexpected(std::move(error)); }

/// A T or an Error. Reading the one that is not there is a programming error (std::bad_variant_access).
template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  using error_type = Error;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by design
  Result(Unexpected failure)                                             // NOLINT: implicit by design
      : state_(std::in_place_index<1>, std::move(failure.error())) {}

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  [[nodiscard]] T& value() & { return std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  [[nodiscard]] Error& error() & { return std::get<1>(state_); }
  [[nodiscard]] const Error& error() const& { return std::get<1>(state_); }
  [[nodiscard]] Error&& error() && { return std::get<1>(std::move(state_)); }

  template <typename U>
  [[nodiscard]] T value_or(U&& fallback) const& {
    return has_value() ? value() : static_cast<T>(std::forward<U>(fallback));
  }

 private:
  std::variant<T, Error> state_;
};

/// Success without a value, or an Error. `return {};` is success.
template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  using error_type = Error;

  Result() = default;
  Result(Unexpected failure) : error_(std::move(failure.error())) {}  // NOLINT: implicit by design

  [[nodiscard]] bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  [[nodiscard]] Error& error() & { return *error_; }
  [[nodiscard]] const Error& error() const& { return *error_; }
  [[nodiscard]] Error&& error() && { return *std::move(error_); }

 private:
  std::optional<Error> error_;
};

}  // namespace trickle
