#include "codec/audio_span.h"

#include <array>

namespace trickle {
namespace {

// Sampling frequencies by index (ISO/IEC 14496-3, table 1.18); 15: written out.
constexpr std::array<int, 16> kAacRates{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050,
                                        16000, 12000, 11025, 8000,  7350,  0,     0,     0};
constexpr unsigned kRateWrittenOut = 15;

// The first bits of a packet. Past its end everything is 0, and ok() is false.
class Bits {
 public:
  explicit Bits(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  unsigned take(size_t count) {
    unsigned value = 0;
    for (; count > 0; --count, ++at_) {
      ok_ = ok_ && at_ / 8 < bytes_.size();
      value = value << 1 | (ok_ ? bytes_[at_ / 8] >> (7 - at_ % 8) & 1U : 0U);
    }
    return value;
  }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

// ADTS, ISO/IEC 14496-3, tables 1.A.6 and 1.A.7.
AudioSpan read_adts(std::span<const uint8_t> packet) {
  const bool adts = packet.size() >= 7 && packet[0] == 0xff && (packet[1] & 0xf6) == 0xf0;
  if (!adts) return {};
  return {1024 * ((packet[6] & 3) + 1), kAacRates[(packet[2] >> 2) & 15]};
}

// ISO/IEC 11172-3, 2.4.1.3, and 13818-3; MPEG-2.5 is nobody's standard and halves the rates once more.
AudioSpan read_mpeg_audio(std::span<const uint8_t> packet) {
  constexpr std::array<int, 4> kRates{44100, 48000, 32000, 0};
  if (packet.size() < 4 || packet[0] != 0xff || (packet[1] & 0xe0) != 0xe0) return {};
  const int version = packet[1] >> 3 & 3;  // 3: 1, 2: 2, 0: 2.5.
  const int layer = 4 - (packet[1] >> 1 & 3);
  if (version == 1 || layer == 4) return {};
  const int halvings = version == 3 ? 0 : version == 2 ? 1 : 2;
  const int samples = layer == 1 ? 384 : (layer == 3 && version != 3 ? 576 : 1152);
  return {samples, kRates[static_cast<size_t>(packet[2] >> 2 & 3)] >> halvings};
}

unsigned take_rate(Bits& bits) {
  const unsigned index = bits.take(4);
  return index == kRateWrittenOut ? bits.take(24) : static_cast<unsigned>(kAacRates[index]);
}

unsigned take_object_type(Bits& bits) {
  const unsigned type = bits.take(5);
  return type == 31 ? 32 + bits.take(6) : type;
}

unsigned take_latm_value(Bits& bits) { return bits.take(8 * (bits.take(2) + 1)); }

// The beginning of an AudioSpecificConfig (ISO/IEC 14496-3, table 1.15): the core's frame and rate. SBR makes
// both twice as much, which is the same time.
AudioSpan take_aac_config(Bits& bits) {
  constexpr unsigned kSbr = 5, kParametricStereo = 29;
  const unsigned type = take_object_type(bits);
  const unsigned rate = take_rate(bits);
  bits.take(4);  // Channels.
  if (type == kSbr || type == kParametricStereo) {
    take_rate(bits);
    take_object_type(bits);
  }
  const bool short_frames = bits.take(1) != 0;
  return {short_frames ? 960 : 1024, static_cast<int>(rate)};
}

}  // namespace

// LOAS with LATM inside (ISO/IEC 14496-3, tables 1.36, 1.41 and 1.42).
AudioSpan AudioSpanReader::read_latm(std::span<const uint8_t> packet) {
  Bits bits(packet);
  if (bits.take(11) != 0x2b7) return {};
  bits.take(13);  // Length.
  if (bits.take(1) != 0) return latm_;
  const bool second_version = bits.take(1) != 0;
  if (second_version && bits.take(1) != 0) return {};  // One that the standard leaves to the future.
  if (second_version) take_latm_value(bits);
  bits.take(1);  // All streams have the same framing.
  const auto frames = static_cast<int>(bits.take(6)) + 1;
  bits.take(4 + 3);  // Programs and layers.
  if (second_version) take_latm_value(bits);
  AudioSpan span = take_aac_config(bits);
  span.samples *= frames;
  if (bits.ok() && span.rate > 0) latm_ = span;
  return latm_;
}

AudioSpan AudioSpanReader::read(AVCodecID codec, std::span<const uint8_t> packet) {
  switch (codec) {
    case AV_CODEC_ID_AAC:
      return read_adts(packet);
    case AV_CODEC_ID_AAC_LATM:
      return read_latm(packet);
    case AV_CODEC_ID_MP1:
    case AV_CODEC_ID_MP2:
    case AV_CODEC_ID_MP3:
      return read_mpeg_audio(packet);
    default:
      return {};
  }
}

}  // namespace trickle
