#include "fx/loading_panel.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/json_depth.h"
#include "base/try.h"
#include "fx/panel_font.h"

namespace trickle::fx {
namespace {

constexpr double kDimmed = 0.2;  // What is left of the picture's contrast behind the panel.
constexpr double kBarSeconds = 2;
constexpr double kBarShare = 0.25;  // Of a bar that moves.

struct Box {
  int left, top, right, bottom;
  [[nodiscard]] bool has(int x, int y) const { return x >= left && x < right && y >= top && y < bottom; }
};

// Where everything lies, in pixels of the picture.
struct Plan {
  Box panel, bar, filled;
  int letter = 1;  // Pixels to a dot of a letter.
  int text_left = 0, text_top = 0;
  std::string_view text;
};

Plan make_plan(const PanelContent& content, double seconds, int width, int height) {
  Plan plan;
  const int panel_width = std::max(width * 3 / 5, std::min(width, 60));
  const int panel_height = std::max(height / 4, std::min(height, 24));
  plan.panel = {(width - panel_width) / 2, (height - panel_height) / 2, (width + panel_width) / 2,
                (height + panel_height) / 2};
  plan.letter = std::max(1, height / 200);
  const int cell = (kLetterWidth + 1) * plan.letter;
  plan.text =
      std::string_view(content.message).substr(0, static_cast<size_t>(std::max(0, panel_width / cell - 1)));
  plan.text_left = (width - static_cast<int>(plan.text.size()) * cell) / 2;
  plan.text_top = plan.panel.top + panel_height / 3 - kLetterHeight * plan.letter / 2;
  plan.bar = {plan.panel.left + panel_width / 8, plan.panel.bottom - panel_height / 3,
              plan.panel.right - panel_width / 8, plan.panel.bottom - panel_height / 5};
  plan.filled = plan.bar;
  const int length = plan.bar.right - plan.bar.left;
  if (content.progress) {
    plan.filled.right =
        plan.bar.left + static_cast<int>(std::lround(length * std::clamp(*content.progress, 0.0, 1.0)));
  } else {
    const double phase = std::fmod(seconds, kBarSeconds) / kBarSeconds;
    plan.filled.left =
        plan.bar.left + static_cast<int>((1 - kBarShare) * length * (1 - std::abs(2 * phase - 1)));
    plan.filled.right = plan.filled.left + static_cast<int>(kBarShare * length);
  }
  return plan;
}

bool is_letter(const Plan& plan, int x, int y) {
  const int cell = (kLetterWidth + 1) * plan.letter;
  const int dx = x - plan.text_left;
  const int dy = y - plan.text_top;
  if (dx < 0 || dy < 0 || dy >= kLetterHeight * plan.letter) return false;
  const auto index = static_cast<size_t>(dx / cell);
  const auto column = static_cast<size_t>(dx % cell / plan.letter);
  if (index >= plan.text.size() || column >= kLetterWidth) return false;
  const char c = plan.text[index];
  const size_t glyph = c > ' ' && c <= '~' ? static_cast<size_t>(c - ' ') : (c == ' ' ? 0 : '?' - ' ');
  return (kLetters[glyph][column] >> (dy / plan.letter) & 1) != 0;
}

enum class Ink : uint8_t { kDim, kFaint, kWhite };

Ink ink_at(const Plan& plan, int x, int y) {
  if (is_letter(plan, x, y) || plan.filled.has(x, y)) return Ink::kWhite;
  return plan.bar.has(x, y) ? Ink::kFaint : Ink::kDim;
}

// What dark and white are in one plane.
struct PlaneLevels {
  double dark, white;
};

PlaneLevels levels(const VideoFrame& frame, int plane) {
  const PixelFormatInfo& info = pixel_format_info(frame.format);
  const double unit = 1 << (info.bits - 8);
  if (info.rgb) return {0, 255};
  if (plane > 0) return {128 * unit, 128 * unit};
  if (frame.color.range == ColorProperties::Range::kFull) return {0, 256 * unit - 1};
  return {16 * unit, 235 * unit};
}

template <typename Sample>
void ink(Sample& sample, Ink what, const PlaneLevels& level) {
  const double dimmed = level.dark + (sample - level.dark) * kDimmed;
  const double value = what == Ink::kWhite   ? level.white
                       : what == Ink::kFaint ? dimmed + (level.white - level.dark) * kDimmed
                                             : dimmed;
  sample = static_cast<Sample>(std::lround(std::min(value, std::max<double>(level.white, dimmed))));
}

template <typename Sample>
void draw_plane(const Plan& plan, VideoFrame& frame, int plane) {
  const PixelFormatInfo& info = pixel_format_info(frame.format);
  const bool chroma = !info.rgb && plane > 0;
  const int shift_x = chroma ? info.log2_chroma_w : 0;
  const int shift_y = chroma ? info.log2_chroma_h : 0;
  const int values = info.bytes_per_sample[static_cast<size_t>(plane)] / static_cast<int>(sizeof(Sample));
  const PlaneLevels level = levels(frame, plane);
  const Plane& pixels = frame.planes[static_cast<size_t>(plane)];
  for (int y = plan.panel.top >> shift_y; y < plan.panel.bottom >> shift_y; ++y) {
    auto* row = reinterpret_cast<Sample*>(pixels.data + y * pixels.stride_bytes);
    for (int x = plan.panel.left >> shift_x; x < plan.panel.right >> shift_x; ++x) {
      const Ink what = ink_at(plan, x << shift_x, y << shift_y);
      for (int i = 0; i < std::min(values, 3); ++i) ink(row[x * values + i], what, level);
    }
  }
}

}  // namespace

void draw_panel(const PanelContent& content, double seconds, VideoFrame& frame) {
  const Plan plan = make_plan(content, seconds, frame.width, frame.height);
  const PixelFormatInfo& info = pixel_format_info(frame.format);
  for (int plane = 0; plane < info.planes; ++plane) {
    if (info.bits > 8) {
      draw_plane<uint16_t>(plan, frame, plane);
    } else {
      draw_plane<uint8_t>(plan, frame, plane);
    }
  }
}

Result<std::string> LoadingPanel::take_update(std::string_view json_text) {
  using Json = nlohmann::json;
  if (is_too_deep_json(json_text)) return std::string(json_text);  // The chain says that it won't have it.
  Json json = Json::parse(json_text, nullptr, false);
  if (!json.is_object()) return std::string(json_text);
  const auto wrong = [](const char* sentence) { return unexpected(ErrorKind::kUsage, sentence); };
  const std::lock_guard lock(mutex_);
  State state = state_;
  bool any = false;
  if (const auto value = json.find("show_loading"); value != json.end()) {
    if (!value->is_boolean()) return wrong("show_loading must be true or false");
    state.asked_for = value->get<bool>();
    json.erase(value);
    any = true;
  }
  if (const auto value = json.find("loading_message"); value != json.end()) {
    if (!value->is_string()) return wrong("loading_message must be a text");
    state.content.message = value->get<std::string>();
    json.erase(value);
    any = true;
  }
  if (const auto value = json.find("loading_progress"); value != json.end()) {
    const bool number = value->is_number() && *value >= 0 && *value <= 1;
    if (!number && !value->is_null()) return wrong("loading_progress must be a number from 0 to 1, or null");
    state.content.progress = number ? std::optional(value->get<double>()) : std::nullopt;
    json.erase(value);
    any = true;
  }
  if (!any) return std::string(json_text);
  state_ = std::move(state);
  return json.empty() ? std::string() : json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool LoadingPanel::asked_for() const {
  const std::lock_guard lock(mutex_);
  return state_.asked_for;
}

LoadingPanel::State LoadingPanel::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void LoadingPanel::restore(State state) {
  const std::lock_guard lock(mutex_);
  state_ = std::move(state);
}

VideoFrame LoadingPanel::show(const VideoFrame& frame) const {
  if (mode_ == Mode::kPassthrough) return frame;
  VideoFrame shown = copy_of(frame);
  draw_panel(state().content, frame.timestamp.seconds(), shown);
  return shown;
}

}  // namespace trickle::fx
