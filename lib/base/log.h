// Logging for tools and libraries: one line per message on stderr, as text or as JSON.
//
// Libraries log through the functions below and never configure; a program configures once at its start.
// All functions may be called from any thread.
#pragma once

#include <fmt/format.h>
#include <spdlog/common.h>

#include <string>
#include <string_view>
#include <utility>

#include "trickle/result.h"

namespace trickle::log {

enum class Format { kText, kJson };

/// Sets the program's name, the least severe level that is written and the line format.
/// `level` is one of error, warning, info, debug, trace (or off).
/// \return kUsage when the level is not one of these.
Result<void> configure(std::string_view tool, std::string_view level, Format format);

/// Called before each log line is written and after it, so that a status line can get out of the way.
void set_line_hooks(void (*before)(), void (*after)());

void write(spdlog::level::level_enum level, std::string_view message);
[[nodiscard]] bool enabled(spdlog::level::level_enum level);

template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write(spdlog::level::err, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  write(spdlog::level::warn, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(spdlog::level::info)) {
    write(spdlog::level::info, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(spdlog::level::debug)) {
    write(spdlog::level::debug, fmt::format(format, std::forward<Args>(args)...));
  }
}

/// Makes the log one level more talkative (`steps` 1) or less (-1). Safe in a signal handler.
void change_level(int steps) noexcept;

/// The log of one stream among several: text lines begin with "[NAME] ", JSON ones have a key "stream".
class StreamLog {
 public:
  StreamLog() = default;
  /// `prefix`, if any, stands before each message: "events: ".
  explicit StreamLog(std::string stream, std::string prefix = {})
      : stream_(std::move(stream)), prefix_(std::move(prefix)) {}

  /// The same stream's log with another prefix.
  [[nodiscard]] StreamLog with_prefix(std::string prefix) const {
    return StreamLog(stream_, std::move(prefix));
  }
  void write(spdlog::level::level_enum level, std::string_view message) const;

  template <typename... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) const {
    write(spdlog::level::err, fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void warning(fmt::format_string<Args...> format, Args&&... args) const {
    write(spdlog::level::warn, fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) const {
    write(spdlog::level::info, fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void debug(fmt::format_string<Args...> format, Args&&... args) const {
    write(spdlog::level::debug, fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  std::string stream_;
  std::string prefix_;
};

}  // namespace trickle::log
