#include "codec/picture_note.h"

#include <fmt/format.h>

#include <charconv>

namespace trickle {
namespace {

constexpr std::string_view kMagic = "trickle";
constexpr std::string_view kLinkKey = "shm=";

std::string_view range_name(ColorProperties::Range range) {
  switch (range) {
    case ColorProperties::Range::kLimited:
      return "limited";
    case ColorProperties::Range::kFull:
      return "full";
    case ColorProperties::Range::kUnspecified:
      break;
  }
  return "unspecified";
}

std::string_view field_name(FieldOrder order) {
  switch (order) {
    case FieldOrder::kTopFirst:
      return "top";
    case FieldOrder::kBottomFirst:
      return "bottom";
    case FieldOrder::kProgressive:
      break;
  }
  return "progressive";
}

template <typename T>
bool parse_number(std::string_view text, T& value) {
  T parsed{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parsed);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  value = parsed;
  return true;
}

void parse_aspect(std::string_view text, Rational& aspect) {
  const size_t colon = text.find(':');
  Rational parsed;
  if (colon == std::string_view::npos || !parse_number(text.substr(0, colon), parsed.num) ||
      !parse_number(text.substr(colon + 1), parsed.den) || parsed.num < 0 || parsed.den <= 0) {
    return;
  }
  aspect = parsed;
}

void parse_word(std::string_view key, std::string_view value, PictureNote& note) {
  if (key == "matrix") parse_number(value, note.color.matrix);
  if (key == "primaries") parse_number(value, note.color.primaries);
  if (key == "transfer") parse_number(value, note.color.transfer);
  if (key == "range" && value == "limited") note.color.range = ColorProperties::Range::kLimited;
  if (key == "range" && value == "full") note.color.range = ColorProperties::Range::kFull;
  if (key == "field" && value == "top") note.field_order = FieldOrder::kTopFirst;
  if (key == "field" && value == "bottom") note.field_order = FieldOrder::kBottomFirst;
  if (key == "sar") parse_aspect(value, note.sample_aspect);
}

}  // namespace

std::string format_picture_note(const PictureNote& note) {
  return fmt::format("{} matrix={} primaries={} transfer={} range={} field={} sar={}:{}", kMagic,
                     note.color.matrix, note.color.primaries, note.color.transfer,
                     range_name(note.color.range), field_name(note.field_order), note.sample_aspect.num,
                     note.sample_aspect.den);
}

std::string format_picture_note(const PictureNote& note, std::string_view link_offer) {
  return fmt::format("{} {}{}", format_picture_note(note), kLinkKey, link_offer);
}

std::string_view link_offer_in(std::string_view text) {
  const size_t begin = text.find(kLinkKey);
  if (!text.starts_with(kMagic) || begin == std::string_view::npos) return {};
  text = text.substr(begin + kLinkKey.size());
  return text.substr(0, text.find(' '));
}

std::optional<PictureNote> parse_picture_note(std::string_view text) {
  if (!text.starts_with(kMagic)) return std::nullopt;
  PictureNote note;
  while (!text.empty()) {
    const size_t space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    text = space == std::string_view::npos ? std::string_view() : text.substr(space + 1);
    if (const size_t equals = word.find('='); equals != std::string_view::npos) {
      parse_word(word.substr(0, equals), word.substr(equals + 1), note);
    }
  }
  return note;
}

}  // namespace trickle
