// Puts lines together to JSON documents: a segment of a control channel is one document, which may be written
// over several lines.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <variant>

namespace trickle::worker {

/// Not thread-safe; feeds on bytes from afar, so nothing it is given makes it fail or grow without bound.
class DocumentReader {
 public:
  explicit DocumentReader(size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  enum class Outcome {
    kDocument,    ///< `document` is complete.
    kIncomplete,  ///< More lines are needed.
    kJunk,        ///< What was read is no JSON; it is forgotten.
  };
  /// Takes the next line. A blank one between documents is kIncomplete.
  Outcome take(std::string_view line, nlohmann::json& document);

 private:
  size_t limit_bytes_;
  size_t lines_ = 0;
  std::string text_;
};

}  // namespace trickle::worker
