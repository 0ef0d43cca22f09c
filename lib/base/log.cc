// The one place that configures spdlog: its logger writes lines to stderr in one of two formats.
#include "base/log.h"

#include <spdlog/formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <memory>
#include <string>

#include "trickle/log.h"

namespace trickle::log {
namespace {

std::atomic<void (*)()> before_line{nullptr};
std::atomic<void (*)()> after_line{nullptr};

std::string_view level_name(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::err:
    case spdlog::level::critical:
      return "error";
    case spdlog::level::warn:
      return "warning";
    case spdlog::level::info:
      return "info";
    case spdlog::level::debug:
      return "debug";
    default:
      return "trace";
  }
}

std::string time_of_day_utc(std::chrono::system_clock::time_point time, const char* pattern) {
  const auto since_epoch = time.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_epoch);
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch - seconds).count();
  const std::time_t t = seconds.count();
  std::tm utc{};
  gmtime_r(&t, &utc);
  std::array<char, 32> text{};
  const size_t n = std::strftime(text.data(), text.size(), pattern, &utc);
  return fmt::format("{}.{:03}", std::string_view(text.data(), n), millis);
}

// JSON string contents by RFC 8259, section 7. Control characters can't break a log line in two.
void append_escaped(std::string& out, std::string_view text, bool json) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (json && (c == '"' || c == '\\')) {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += json ? fmt::format("\\u{:04x}", byte) : fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
}

constexpr const char* kLoggerName = "trickle";

// Writes whole lines with one write(2) each, so that the lines of several tools on one stderr don't mix.
class LineSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  LineSink(std::string tool, Format format) : tool_(std::move(tool)), format_(format) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& msg) override {
    const std::string_view text(msg.payload.data(), msg.payload.size());
    // A stream's log goes by the stream's name.
    const std::string_view logger(msg.logger_name.data(), msg.logger_name.size());
    const std::string_view stream = logger == kLoggerName ? std::string_view() : logger;
    std::string line;
    if (format_ == Format::kJson) {
      line = fmt::format(R"({{"time":"{}Z","level":"{}","tool":"{}","pid":{},)",
                         time_of_day_utc(msg.time, "%FT%T"), level_name(msg.level), tool_, ::getpid());
      if (!stream.empty()) {
        line += R"("stream":")";
        append_escaped(line, stream, true);
        line += "\",";
      }
      line += R"("message":")";
      append_escaped(line, text, true);
      line += "\"}\n";
    } else {
      line = fmt::format("{} {} {}: ", time_of_day_utc(msg.time, "%T"), tool_, level_name(msg.level));
      if (!stream.empty()) {
        line += '[';
        append_escaped(line, stream, false);
        line += "] ";
      }
      append_escaped(line, text, false);
      line += '\n';
    }
    if (auto* hook = before_line.load()) hook();
    write_line(line);
    if (auto* hook = after_line.load()) hook();
  }
  void flush_() override {}

 private:
  static void write_line(std::string_view rest) {
    while (!rest.empty()) {
      const ssize_t n = ::write(STDERR_FILENO, rest.data(), rest.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return;  // Nowhere left to report that the log itself is broken.
      rest.remove_prefix(static_cast<size_t>(n));
    }
  }

  std::string tool_;
  Format format_;
};

}  // namespace

namespace {

// Not spdlog's default logger: that one belongs to the program that we are a library of. Warnings and worse
// are written until somebody configures.
std::shared_ptr<spdlog::logger>& own_logger() {
  static std::shared_ptr<spdlog::logger> logger = [] {
    auto made =
        std::make_shared<spdlog::logger>("trickle", std::make_shared<LineSink>("trickle", Format::kText));
    made->set_level(spdlog::level::warn);
    return made;
  }();
  return logger;
}

}  // namespace

Result<void> configure(std::string_view tool, std::string_view level, Format format) {
  const auto parsed = spdlog::level::from_str(std::string(level));
  if (parsed == spdlog::level::off && level != "off") {
    return unexpected(
        ErrorKind::kUsage,
        fmt::format("unknown log level '{}': use error, warning, info, debug, trace or off", level));
  }
  auto logger =
      std::make_shared<spdlog::logger>(kLoggerName, std::make_shared<LineSink>(std::string(tool), format));
  logger->set_level(parsed);
  own_logger() = std::move(logger);
  return {};
}

void set_line_hooks(void (*before)(), void (*after)()) {
  before_line = before;
  after_line = after;
}

void write(spdlog::level::level_enum level, std::string_view message) {
  own_logger()->log(level, spdlog::string_view_t(message.data(), message.size()));
}

bool enabled(spdlog::level::level_enum level) { return own_logger()->should_log(level); }

void change_level(int steps) noexcept {
  // spdlog counts from trace (0) up to err (4); `off` stays reachable only by configure().
  const int wanted = static_cast<int>(own_logger()->level()) - steps;
  const int least = static_cast<int>(spdlog::level::trace);
  const int most = static_cast<int>(spdlog::level::err);
  const int level = wanted < least ? least : wanted > most ? most : wanted;
  own_logger()->set_level(static_cast<spdlog::level::level_enum>(level));
}

void StreamLog::write(spdlog::level::level_enum level, std::string_view message) const {
  if (!enabled(level)) return;
  const std::string text = prefix_ + std::string(message);
  // The message only refers to its name: no string may be made for it on the way.
  const std::string_view logger = stream_.empty() ? std::string_view(kLoggerName) : stream_;
  const spdlog::details::log_msg line(spdlog::string_view_t(logger.data(), logger.size()), level, text);
  for (const auto& sink : own_logger()->sinks()) sink->log(line);
}

}  // namespace trickle::log

namespace trickle {

Result<void> configure_log(std::string_view program, std::string_view level) {
  return log::configure(program, level, log::Format::kText);
}

}  // namespace trickle
