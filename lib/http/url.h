// URLs of channels: checked once, extended by a segment number, and shown without their secrets.
#pragma once

#include <string>
#include <string_view>

#include "trickle/result.h"

namespace trickle::http {

/// An http or https URL. Values; any thread.
class Url {
 public:
  /// Parses as curl does (a missing scheme is http); slashes at the end of the path are dropped.
  /// \return kUsage with a sentence, which names no secrets, when it is no URL that we can use.
  static Result<Url> parse(std::string_view text);

  /// The whole URL, with everything that was in it.
  [[nodiscard]] const std::string& full() const { return full_; }
  /// The URL of `name` below this one ("…/channel" and "17" make "…/channel/17"); the query stays.
  [[nodiscard]] std::string child(std::string_view name) const;
  /// For logs: without user, password, query and fragment.
  [[nodiscard]] const std::string& display() const { return display_; }

 private:
  std::string full_;
  std::string base_;   ///< Up to the path's end.
  std::string query_;  ///< With its question mark, or empty.
  std::string display_;
};

}  // namespace trickle::http
