// Names and numbers of the trickle wire contract, and what a client reads from an answer.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace trickle {

inline constexpr int kStatusNoSegment = 470;

inline constexpr std::chrono::milliseconds kEarlyRepeat{
    250};  ///< A number that is not there yet is asked again.
inline constexpr std::chrono::seconds kSilentPreconnect{20};  ///< A request without an answer is made anew.
inline constexpr std::chrono::seconds kServerTimeout{20};     ///< A publisher gives up on a silent server.
inline constexpr std::chrono::milliseconds kPublisherRepeat{250};  ///< A POST that failed without a byte.
inline constexpr std::chrono::seconds kRestartedNumbering{5};      ///< See SubscriberState::on_no_segment.

/// An answer of a trickle server, as far as a client cares.
struct Answer {
  int status = 0;
  std::optional<int64_t> seq{};     ///< Lp-Trickle-Seq
  std::optional<int64_t> latest{};  ///< Lp-Trickle-Latest: the number that will be written next.
  bool closed = false;              ///< Lp-Trickle-Closed: the stream has ended.
};

/// Reads a header's number: nothing unless it is one, from 0 up to 2^63-2, and nothing else.
[[nodiscard]] std::optional<int64_t> parse_sequence(std::string_view text);

}  // namespace trickle
