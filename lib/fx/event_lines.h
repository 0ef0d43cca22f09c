// Writes what effects say, events and data, as JSON lines to a descriptor.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

#include "io/unique_fd.h"
#include "trickle/result.h"

namespace trickle::fx {

/// Thread-safe. A reader that does not keep up loses lines, which are counted in the next one that it gets.
class EventLines {
 public:
  /// `where` is "fd:N", which is taken over, or a file to be made. \return kUsage for a bad descriptor, kIo
  /// when the file can't be made.
  static Result<UniqueFd> open(const std::string& where);
  explicit EventLines(UniqueFd fd) : fd_(std::move(fd)) {}

  /// {"event":WHAT,"message":SENTENCE,"time_ms":…}
  void event(std::string_view what, std::string_view sentence);
  /// {"data":ITEM,"time_ms":…}; an item that is no JSON is left out.
  void data(std::string_view json);

 private:
  void write(std::string line);

  std::mutex mutex_;
  UniqueFd fd_;
  uint64_t lost_ = 0;
};

}  // namespace trickle::fx
