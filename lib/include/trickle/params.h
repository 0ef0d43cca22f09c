// Parameters of a stream as they come in from the HTTP API or a control channel: a JSON object, read by name.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "trickle/export.h"
#include "trickle/result.h"

namespace trickle {

/// Immutable and cheap to copy; any thread may read it.
class TRICKLE_API Params {
 public:
  Params();  ///< No parameters.
  Params(const Params&);
  Params(Params&&) noexcept;
  Params& operator=(const Params&);
  Params& operator=(Params&&) noexcept;
  ~Params();

  /// \return kUsage when `json` is not a JSON object.
  static Result<Params> parse(std::string_view json);

  [[nodiscard]] bool has(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> names() const;
  /// The value, or `fallback` when there is none or it is of another kind. Numbers may also be given as
  /// strings ("0.5"), flags as 0, 1, "true", "false", "yes" and "no".
  [[nodiscard]] double number(std::string_view name, double fallback) const;
  [[nodiscard]] int64_t integer(std::string_view name, int64_t fallback) const;
  [[nodiscard]] bool flag(std::string_view name, bool fallback) const;
  [[nodiscard]] std::string text(std::string_view name, std::string_view fallback) const;
  /// A list of numbers, e.g. of [0.1, 0, -0.1].
  [[nodiscard]] std::vector<double> numbers(std::string_view name) const;

  /// All of it, or one value, as JSON text ("" for a value that is not there).
  [[nodiscard]] std::string json() const;
  [[nodiscard]] std::string json(std::string_view name) const;

  /// These, with what `newer` has in place of what it names.
  [[nodiscard]] Params merged_with(const Params& newer) const;

 private:
  struct TRICKLE_HIDDEN Object;
  explicit Params(std::shared_ptr<const Object> object);
  std::shared_ptr<const Object> object_;
};

/// `text` as a JSON string, quotes included: for documents that are put together by hand.
[[nodiscard]] TRICKLE_API std::string json_string(std::string_view text);

}  // namespace trickle
