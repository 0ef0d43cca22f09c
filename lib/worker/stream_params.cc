#include "worker/stream_params.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "base/try.h"
#include "worker/schema.h"

namespace trickle::worker {
namespace {

using nlohmann::json;

const Field& field(std::string_view name) { return *find_field(param_fields(), name); }

// Present and not null: null means "not given", as for the Python peer.
const json* given(const json& update, std::string_view name) {
  const auto found = update.find(name);
  return found == update.end() || found->is_null() ? nullptr : &*found;
}

Result<void> read_size(const json& update, StreamParams& params) {
  const json* width = given(update, "width");
  const json* height = given(update, "height");
  if (width == nullptr && height == nullptr) return {};
  if (width == nullptr || height == nullptr) {
    return unexpected(ErrorKind::kUsage, "width and height must be given together");
  }
  TRICKLE_TRY_ASSIGN(const int64_t w, read_integer(field("width"), *width));
  TRICKLE_TRY_ASSIGN(const int64_t h, read_integer(field("height"), *height));
  params.size = PictureSize{static_cast<int>(w / 2 * 2), static_cast<int>(h / 2 * 2)};
  return {};
}

Result<void> read_encoder(const json& update, StreamParams& params) {
  if (const json* value = given(update, "audio")) {
    TRICKLE_TRY_ASSIGN(params.audio, read_text(field("audio"), *value));
  }
  if (const json* value = given(update, "video_codec")) {
    TRICKLE_TRY_ASSIGN(params.video_codec, read_text(field("video_codec"), *value));
    const auto allowed = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
    if (!std::all_of(params.video_codec.begin(), params.video_codec.end(), allowed)) {
      return unexpected(ErrorKind::kUsage,
                        "video_codec must be the name of an encoder: letters, digits and _");
    }
  }
  if (const json* value = given(update, "video_bitrate")) {
    TRICKLE_TRY_ASSIGN(params.video_bitrate, read_bitrate(field("video_bitrate"), *value));
  }
  if (const json* value = given(update, "gop_seconds")) {
    TRICKLE_TRY_ASSIGN(params.gop_seconds, read_number(field("gop_seconds"), *value));
  }
  if (const json* value = given(update, "on_lag")) {
    TRICKLE_TRY_ASSIGN(params.on_lag, read_text(field("on_lag"), *value));
  }
  if (const json* value = given(update, "overlay")) {
    TRICKLE_TRY_ASSIGN(params.overlay, read_text(field("overlay"), *value));
  }
  return {};
}

Result<void> read_flags(const json& update, StreamParams& params) {
  if (const json* value = given(update, "detect_out_resolution")) {
    TRICKLE_TRY_ASSIGN(params.detect_out_resolution, read_boolean(field("detect_out_resolution"), *value));
  }
  if (const json* value = given(update, "show_loading")) {
    TRICKLE_TRY_ASSIGN(params.show_loading, read_boolean(field("show_loading"), *value));
  }
  return {};
}

Result<void> refuse_changes_of_fixed_fields(const StreamParams& before, const StreamParams& after) {
  const auto fixed = [](std::string_view name) {
    return unexpected(ErrorKind::kUsage, fmt::format("{} is fixed when the stream starts", name));
  };
  if (before.audio != after.audio) return fixed("audio");
  if (before.video_codec != after.video_codec) return fixed("video_codec");
  if (before.video_bitrate != after.video_bitrate) return fixed("video_bitrate");
  if (before.gop_seconds != after.gop_seconds) return fixed("gop_seconds");
  if (before.on_lag != after.on_lag) return fixed("on_lag");
  if (before.overlay != after.overlay) return fixed("overlay");
  return {};
}

Result<void> read_effects(const json& update, ParamsUpdate& result) {
  json rest = json::object();
  for (const auto& [name, value] : update.items()) {
    const Field* known = find_field(param_fields(), name);
    if (!value.is_null() && (known == nullptr || known->type == FieldType::kEffect)) rest[name] = value;
  }
  TRICKLE_TRY_ASSIGN(auto effects, fx::apply_update(result.params.effects, rest));
  result.params.effects = std::move(effects.chain);
  for (const auto& name : effects.unknown) {
    result.warnings.push_back(fmt::format("no effect has a parameter \"{}\"", name));
  }
  for (const auto& name : effects.unused) {
    result.warnings.push_back(fmt::format("no effect of this stream uses the parameter \"{}\"", name));
  }
  return {};
}

}  // namespace

Result<ParamsUpdate> apply_params(const StreamParams& current, const json& update, bool starting) {
  if (!update.is_object()) return unexpected(ErrorKind::kUsage, "the parameters must be a JSON object");
  ParamsUpdate result{current, {}};
  TRICKLE_TRY(read_size(update, result.params));
  if (const json* value = given(update, "max_framerate")) {
    TRICKLE_TRY_ASSIGN(const int64_t rate, read_integer(field("max_framerate"), *value));
    result.params.max_framerate = static_cast<int>(rate);
  }
  TRICKLE_TRY(read_flags(update, result.params));
  if (!starting && result.params.detect_out_resolution != current.detect_out_resolution) {
    // No error: clients of the Python peer send it with every update, and it is not heeded there either.
    result.params.detect_out_resolution = current.detect_out_resolution;
    result.warnings.emplace_back("detect_out_resolution is fixed when the stream starts");
  }
  TRICKLE_TRY(read_encoder(update, result.params));
  if (!starting) TRICKLE_TRY(refuse_changes_of_fixed_fields(current, result.params));
  TRICKLE_TRY(read_effects(update, result));
  return result;
}

}  // namespace trickle::worker
