// What a benchmark hands back: a table for people and a JSON document for programs, from the same values.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "trickle/result.h"

namespace trickle::bench {

/// Left column to the left, the others to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> columns) : rows_{std::move(columns)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] std::string to_string() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// Machine, kernel, cores and load, without which no figure means anything.
[[nodiscard]] nlohmann::json machine();
/// The same in one line.
[[nodiscard]] std::string machine_line();

/// Writes the document to `path` (indented), "-" being standard output; nothing for an empty path.
/// \return kIo.
Result<void> write_json(const std::string& path, const nlohmann::json& document);
/// \return kIo when stdout took not all of it, kClosed when its reader left.
Result<void> print(const std::string& text);

}  // namespace trickle::bench
