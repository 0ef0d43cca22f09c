// The fields of requests in one table: validation reads it, /openapi.json and the tables of trickle-api(7)
// are made from it, so that they cannot disagree.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trickle/result.h"

namespace trickle::worker {

enum class FieldType {
  kText,     ///< A string of at most `maximum` bytes.
  kUrl,      ///< An http or https URL with a host and a path.
  kInteger,  ///< An integer, or a string that is one.
  kNumber,   ///< A number, or a string that is one.
  kBitrate,  ///< Bits per second: an integer, or a string like "2M" or "800k".
  kBoolean,  ///< true, false, 0, 1, or one of the strings true, 1, yes, false, 0, no.
  kChoice,   ///< One of `choices`.
  kObject,   ///< A JSON object.
  kEffect,   ///< Checked by the registry of effects (lib/fx).
};

struct Field {
  std::string_view name;
  FieldType type;
  double minimum = 0;  ///< Of a number, inclusive.
  double maximum = 0;  ///< Of a number, inclusive; of a text in bytes.
  std::vector<std::string_view> choices{};
  std::string_view default_text{};  ///< As the manual says it.
  bool only_at_start = false;       ///< An update may repeat it but not change it.
  std::string_view text{};          ///< What it means, one sentence.
};

/// The fields of the body of start.
[[nodiscard]] std::span<const Field> start_fields();
/// The fields of `params` at start, and of an update. The parameters of effects come from lib/fx besides.
[[nodiscard]] std::span<const Field> param_fields();
/// The field of that name, or null.
[[nodiscard]] const Field* find_field(std::span<const Field> fields, std::string_view name);

/// "an integer from 1 to 60 (or a string that is one)".
[[nodiscard]] std::string allowed_values(const Field& field);

/// Each reads a value by its field's rule. \return kUsage with a sentence that names the field and what is
/// allowed.
Result<int64_t> read_integer(const Field& field, const nlohmann::json& value);
Result<double> read_number(const Field& field, const nlohmann::json& value);
Result<bool> read_boolean(const Field& field, const nlohmann::json& value);
/// For kText, kUrl and kChoice.
/// True for UTF-8 without control characters.
[[nodiscard]] bool is_plain_text(std::string_view text);
Result<std::string> read_text(const Field& field, const nlohmann::json& value);
Result<uint64_t> read_bitrate(const Field& field, const nlohmann::json& value);

/// The table of fields as a list in mdoc, for trickle-api(7).
[[nodiscard]] std::string fields_as_mdoc(std::span<const Field> fields);
/// The effects and their parameters likewise.
[[nodiscard]] std::string effects_as_mdoc();

}  // namespace trickle::worker
