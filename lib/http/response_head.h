// The head of an HTTP answer, put together from the lines that curl gives of it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace trickle::http {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct ResponseHead {
  int status = 0;
  Fields headers;  ///< Names in lower case.

  /// The first value of a header; nothing when it isn't there. `name` in lower case.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
};

/// Not thread-safe.
class ResponseHeadReader {
 public:
  /// One whole line, with its end: of interim answers, which don't count, of the final one, or of trailers,
  /// which don't count either. What is no header is passed over, as are headers beyond 64 KiB.
  void add_line(std::string_view line);
  /// The final head, or null while it is not complete.
  [[nodiscard]] const ResponseHead* head() const { return complete_ ? &head_ : nullptr; }

 private:
  ResponseHead head_;
  size_t bytes_ = 0;
  bool complete_ = false;
};

}  // namespace trickle::http
