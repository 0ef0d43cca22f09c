// What raw pictures in NUT can't say themselves: colour, field order, pixel shape.
//
// It travels as text in the stream's extradata, which readers of raw video ignore, and again as "new
// extradata" side data of the first packet after a change: "trickle matrix=1 primaries=1 transfer=1
// range=limited field=progressive sar=1:1". The numbers are those of ISO/IEC 23091-2. See trickle-frames(5).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "trickle/frame.h"

namespace trickle {

struct PictureNote {
  ColorProperties color;
  FieldOrder field_order = FieldOrder::kProgressive;
  Rational sample_aspect;
  friend bool operator==(const PictureNote&, const PictureNote&) = default;
};

[[nodiscard]] std::string format_picture_note(const PictureNote& note);

/// The note with a link's offer (media/shm_link.h) in it, for the header of a stream.
[[nodiscard]] std::string format_picture_note(const PictureNote& note, std::string_view link_offer);
/// The offer in a note; empty when there is none.
[[nodiscard]] std::string_view link_offer_in(std::string_view text);

/// \return nothing when `text` is no note. Words that are unknown or out of range are passed over.
[[nodiscard]] std::optional<PictureNote> parse_picture_note(std::string_view text);

}  // namespace trickle
