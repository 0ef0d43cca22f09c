#include "codec/av_log.h"

extern "C" {
#include <libavutil/log.h>
}

#include <array>
#include <cstdarg>
#include <cstring>
#include <mutex>
#include <string_view>

#include "base/log.h"

namespace trickle {
namespace {

thread_local AvLogCapture* innermost_capture = nullptr;

}  // namespace

AvLogCapture::AvLogCapture() : outer_(innermost_capture) { innermost_capture = this; }
AvLogCapture::~AvLogCapture() { innermost_capture = outer_; }

void keep_av_error(std::string_view line) {
  if (innermost_capture != nullptr && innermost_capture->text_.empty()) innermost_capture->text_ = line;
}

namespace {

void forward_line(void* context, int level, const char* format, va_list arguments) {
  const bool captured = level <= AV_LOG_ERROR && innermost_capture != nullptr;
  if (level > AV_LOG_WARNING || (!captured && !log::enabled(spdlog::level::debug))) return;
  std::array<char, 512> line{};
  int print_prefix = 0;
  av_log_format_line2(context, level, format, arguments, line.data(), static_cast<int>(line.size()),
                      &print_prefix);
  std::string_view text(line.data());
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  if (text.empty()) return;
  if (captured) keep_av_error(text);
  log::debug("libav: {}", text);
}

}  // namespace

void route_av_log() {
  static std::once_flag once;
  std::call_once(once, [] {
    av_log_set_level(AV_LOG_WARNING);
    av_log_set_callback(forward_line);
  });
}

}  // namespace trickle
