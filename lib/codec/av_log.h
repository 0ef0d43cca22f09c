// Sends what libav* would print itself through our log.
#pragma once

#include <string>
#include <string_view>

namespace trickle {

/// Installs the log callback, once for the process; later calls change nothing. Its messages appear at level
/// debug: what matters to a user is reported, and counted, by our own code.
void route_av_log();

/// Keeps what libav* says is wrong on this thread, while it lives: its functions return a number, and the
/// sentence goes to the log. Captures may nest. Needs route_av_log().
class AvLogCapture {
 public:
  AvLogCapture();
  AvLogCapture(const AvLogCapture&) = delete;
  AvLogCapture& operator=(const AvLogCapture&) = delete;
  ~AvLogCapture();

  /// The first message of level error or worse, without its newline; empty when there was none.
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  friend void keep_av_error(std::string_view line);
  std::string text_;
  AvLogCapture* outer_;
};

}  // namespace trickle
