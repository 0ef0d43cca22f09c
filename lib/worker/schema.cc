#include "worker/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/url/parse.hpp>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "fx/registry.h"

namespace trickle::worker {
namespace {

using nlohmann::json;

constexpr double kUrlBytes = 4096;
constexpr double kMostBitsPerSecond = 1e9;

const std::vector<Field>& start_table() {
  static const std::vector<Field> table{
      {.name = "subscribe_url",
       .type = FieldType::kUrl,
       .maximum = kUrlBytes,
       .text = "Channel to read the video from; at least one of subscribe_url and publish_url is needed"},
      {.name = "publish_url",
       .type = FieldType::kUrl,
       .maximum = kUrlBytes,
       .text = "Channel to publish the processed video to"},
      {.name = "control_url",
       .type = FieldType::kUrl,
       .maximum = kUrlBytes,
       .text = "Channel to read updates of the parameters from, one object in each segment"},
      {.name = "events_url",
       .type = FieldType::kUrl,
       .maximum = kUrlBytes,
       .text = "Channel to publish events to, one document in each segment"},
      {.name = "data_url",
       .type = FieldType::kUrl,
       .maximum = kUrlBytes,
       .text = "Channel to publish what processors say besides their frames"},
      {.name = "gateway_request_id",
       .type = FieldType::kText,
       .maximum = 256,
       .default_text = "the header X-Stream-Id, or made up",
       .text = "Name of the stream in later requests"},
      {.name = "params", .type = FieldType::kObject, .text = "Parameters, as for an update"},
  };
  return table;
}

const std::vector<Field>& param_table() {
  static const std::vector<Field> table{
      {.name = "width",
       .type = FieldType::kInteger,
       .minimum = 2,
       .maximum = 8192,
       .default_text = "the source's",
       .text = "Width to scale to in pixels, rounded down to an even number; only together with height"},
      {.name = "height",
       .type = FieldType::kInteger,
       .minimum = 2,
       .maximum = 8192,
       .default_text = "the source's",
       .text = "Height to scale to in pixels, rounded down to an even number; only together with width"},
      {.name = "max_framerate",
       .type = FieldType::kInteger,
       .minimum = 1,
       .maximum = 60,
       .default_text = "the source's",
       .text = "Frames per second above which frames are left out"},
      {.name = "detect_out_resolution",
       .type = FieldType::kBoolean,
       .default_text = "true",
       .only_at_start = true,
       .text = "Whether the output has the size of the processed frames and follows it when it changes"},
      {.name = "effect",
       .type = FieldType::kEffect,
       .default_text = "none",
       .text = "Effect to apply, or a list of effects; its own parameters stand beside it"},
      {.name = "show_loading",
       .type = FieldType::kBoolean,
       .default_text = "false",
       .text = "Whether a loading panel is shown in place of the frames"},
      {.name = "audio",
       .type = FieldType::kChoice,
       .choices = {"opus", "aac", "copy", "none"},
       .default_text = "opus",
       .only_at_start = true,
       .text = "What becomes of the sound"},
      {.name = "video_codec",
       .type = FieldType::kText,
       .maximum = 64,
       .default_text = "libx264",
       .only_at_start = true,
       .text = "Name of the video encoder, as FFmpeg spells it"},
      {.name = "video_bitrate",
       .type = FieldType::kBitrate,
       .minimum = 1000,
       .maximum = kMostBitsPerSecond,
       .default_text = "constant quality",
       .only_at_start = true,
       .text = "Bits per second of the video"},
      {.name = "gop_seconds",
       .type = FieldType::kNumber,
       .minimum = 0.1,
       .maximum = 60,
       .default_text = "2",
       .only_at_start = true,
       .text = "Seconds from one keyframe, and so segment, to the next"},
      {.name = "on_lag",
       .type = FieldType::kChoice,
       .choices = {"drop", "block", "fail"},
       .default_text = "drop",
       .only_at_start = true,
       .text = "What happens when the chain is slower than the source"},
      {.name = "overlay",
       .type = FieldType::kChoice,
       .choices = {"panel", "passthrough", "none"},
       .default_text = "panel",
       .only_at_start = true,
       .text = "What is shown while an effect gives no frame for 1.5 seconds, unless on_lag is block: a "
               "panel, the "
               "frames as they came, or nothing"},
  };
  return table;
}

Unexpected refuse(const Field& field) {
  return unexpected(ErrorKind::kUsage, fmt::format("{} must be {}", field.name, allowed_values(field)));
}

std::optional<double> number_in(const json& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  double number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string_view without_full_stop(std::string_view text) {
  return text.ends_with('.') ? text.substr(0, text.size() - 1) : text;
}

std::string number_text(double number) { return fmt::format("{:.10g}", number); }

bool is_http_url(const std::string& text) {
  const auto url = boost::urls::parse_uri(text);
  if (!url || (url->scheme() != "http" && url->scheme() != "https")) return false;
  if (const std::string port(url->port()); !port.empty()) {
    uint16_t number = 0;
    const auto failure = std::from_chars(port.data(), port.data() + port.size(), number).ec;
    if (failure != std::errc() || number == 0) return false;
  }
  // Whoever connects resolves these, and would then be elsewhere than where --allow-url let it go.
  for (const auto& segment : url->segments()) {
    if (segment == "." || segment == "..") return false;
  }
  return !url->encoded_host().empty() && url->encoded_path().size() > 1;
}

}  // namespace

std::span<const Field> start_fields() { return start_table(); }
std::span<const Field> param_fields() { return param_table(); }

const Field* find_field(std::span<const Field> fields, std::string_view name) {
  const auto found =
      std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.name == name; });
  return found == fields.end() ? nullptr : &*found;
}

std::string allowed_values(const Field& field) {
  switch (field.type) {
    case FieldType::kText:
      return fmt::format("a string of 1 to {} bytes without control characters", number_text(field.maximum));
    case FieldType::kUrl:
      return "a string with an http or https URL that names a channel";
    case FieldType::kInteger:
      return fmt::format("an integer from {} to {}", number_text(field.minimum), number_text(field.maximum));
    case FieldType::kNumber:
      return fmt::format("a number from {} to {}", number_text(field.minimum), number_text(field.maximum));
    case FieldType::kBitrate:
      return fmt::format("bits per second from {} to {}, such as 2000000 or \"2M\"",
                         number_text(field.minimum), number_text(field.maximum));
    case FieldType::kBoolean:
      return "true or false (or 1, 0, \"true\", \"yes\", \"1\", \"false\", \"no\", \"0\")";
    case FieldType::kChoice:
      return fmt::format("one of {}", fmt::join(field.choices, ", "));
    case FieldType::kObject:
      return "an object";
    case FieldType::kEffect:
      break;
  }
  return "the name of an effect, or a list of effects";
}

Result<int64_t> read_integer(const Field& field, const json& value) {
  const auto number = number_in(value);
  if (!number || std::floor(*number) != *number) return refuse(field);
  if (*number < field.minimum || *number > field.maximum) return refuse(field);
  return static_cast<int64_t>(*number);
}

Result<double> read_number(const Field& field, const json& value) {
  const auto number = number_in(value);
  if (!number || !(*number >= field.minimum && *number <= field.maximum)) return refuse(field);
  return *number;
}

Result<bool> read_boolean(const Field& field, const json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_integer() && (value == 0 || value == 1)) return value == 1;
  if (value.is_string()) {
    std::string word = value.get<std::string>();
    std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) {
      return c < 0x80 ? static_cast<char>(std::tolower(c)) : static_cast<char>(c);
    });
    if (word == "true" || word == "1" || word == "yes") return true;
    if (word == "false" || word == "0" || word == "no") return false;
  }
  return refuse(field);
}

bool is_plain_text(std::string_view text) {
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  if (std::any_of(text.begin(), text.end(), is_control)) return false;
  const json value(text);
  const std::string written = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return json::parse(written, nullptr, false) == value;
}

Result<std::string> read_text(const Field& field, const json& value) {
  if (!value.is_string()) return refuse(field);
  auto text = value.get<std::string>();
  if (field.type == FieldType::kChoice) {
    if (std::find(field.choices.begin(), field.choices.end(), text) == field.choices.end())
      return refuse(field);
    return text;
  }
  if (text.empty() || static_cast<double>(text.size()) > field.maximum) return refuse(field);
  if (field.type == FieldType::kUrl && !is_http_url(text)) return refuse(field);
  if (field.type == FieldType::kText && !is_plain_text(text)) return refuse(field);
  return text;
}

Result<uint64_t> read_bitrate(const Field& field, const json& value) {
  double factor = 1;
  json number = value;
  if (value.is_string()) {
    auto text = value.get<std::string>();
    const char unit = text.empty() ? '\0' : text.back();
    if (unit == 'k' || unit == 'K') factor = 1e3;
    if (unit == 'm' || unit == 'M') factor = 1e6;
    if (factor > 1) text.pop_back();
    number = text;
  }
  const auto bits = number_in(number);
  if (!bits || !(*bits * factor >= field.minimum && *bits * factor <= field.maximum)) return refuse(field);
  return static_cast<uint64_t>(*bits * factor);
}

std::string fields_as_mdoc(std::span<const Field> fields) {
  std::string page = ".Bl -tag -width Ds\n";
  for (const Field& field : fields) {
    page += fmt::format(".It Va {}\n{}:\n{}.\n", field.name, field.text, allowed_values(field));
    if (!field.default_text.empty()) page += fmt::format("Default: {}.\n", field.default_text);
    if (field.only_at_start) page += "It is fixed when the stream starts.\n";
  }
  return page + ".El\n";
}

std::string effects_as_mdoc() {
  std::string page = ".Bl -tag -width Ds\n";
  for (const auto& effect : fx::effects()) {
    page += fmt::format(".It Cm {}\n{}.\n", effect.name, without_full_stop(effect.text));
    for (const auto& parameter : effect.parameters) {
      page += fmt::format(".Va {} :\n{}; {}.\n", parameter.name, without_full_stop(parameter.text),
                          fx::allowed_values(parameter));
    }
  }
  return page + ".El\n";
}

}  // namespace trickle::worker
