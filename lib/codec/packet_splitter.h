// Packs of audio frames, and pictures packed together, taken apart into packets that a decoder takes one by
// one.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "codec/audio_span.h"
#include "codec/av_types.h"
#include "codec/pes_collector.h"

namespace trickle {

/// One elementary stream's. Timestamps are in ticks of 1/90000 s. Belongs to one thread.
class PacketSplitter {
 public:
  explicit PacketSplitter(AVCodecID codec);

  using Give = std::function<void(PacketPtr)>;
  /// Gives each packet in `unit`; those after the first get the time that their durations add up to (audio)
  /// or none.
  void split(const PesCollector::Unit& unit, const Give& give);
  /// Gives a frame whose end only the next one would have shown. At the end of the input.
  void finish(const Give& give);

 private:
  [[nodiscard]] AudioSpan span_of(const AVPacket& packet);
  void split_pictures(const PesCollector::Unit& unit, const Give& give);
  void split_audio(const PesCollector::Unit& unit, const Give& give);
  [[nodiscard]] PacketPtr make_packet(std::span<const uint8_t> data, bool damaged) const;
  int parse(std::span<const uint8_t> bytes, int64_t pts, bool damaged, const Give& give);
  void time_audio(AVPacket& packet, std::optional<int64_t> pts);

  AVCodecID codec_;
  ParserPtr parser_;         // Audio only; null where a PES packet is a packet.
  CodecContextPtr context_;  // What the parser learns.
  AudioSpanReader spans_;
  std::optional<int64_t> base_pts_;
  int64_t samples_since_base_ = 0;
};

}  // namespace trickle
