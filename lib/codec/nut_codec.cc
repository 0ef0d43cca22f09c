#include "codec/nut_codec.h"

#include <array>

namespace trickle {
namespace {

constexpr uint32_t tag(char a, char b, char c, char d) {
  return static_cast<uint8_t>(a) | static_cast<uint32_t>(static_cast<uint8_t>(b)) << 8 |
         static_cast<uint32_t>(static_cast<uint8_t>(c)) << 16 |
         static_cast<uint32_t>(static_cast<uint8_t>(d)) << 24;
}

struct Entry {
  uint32_t tag;
  AVCodecID codec;
};
// Those of NUT's own list that travel in frame streams; everything else has a tag from RIFF.
constexpr std::array kOwn{
    Entry{tag('P', 'S', 'D', 16), AV_CODEC_ID_PCM_S16LE},
    Entry{tag('P', 'S', 'D', 24), AV_CODEC_ID_PCM_S24LE},
    Entry{tag('P', 'S', 'D', 32), AV_CODEC_ID_PCM_S32LE},
    Entry{tag('P', 'F', 'D', 32), AV_CODEC_ID_PCM_F32LE},
    Entry{tag('P', 'F', 'D', 64), AV_CODEC_ID_PCM_F64LE},
    Entry{tag('P', 'U', 'D', 8), AV_CODEC_ID_PCM_U8},
    Entry{tag(16, 'D', 'S', 'P'), AV_CODEC_ID_PCM_S16BE},
    Entry{tag('O', 'p', 'u', 's'), AV_CODEC_ID_OPUS},
    Entry{tag('f', 'L', 'a', 'C'), AV_CODEC_ID_FLAC},
};

}  // namespace

AVCodecID audio_codec_of(const NutTrack& track) {
  for (const Entry& entry : kOwn) {
    if (entry.tag == track.codec_tag) return entry.codec;
  }
  const std::array<const AVCodecTag*, 2> riff{avformat_get_riff_audio_tags(), nullptr};
  return av_codec_get_id(riff.data(), track.codec_tag);
}

}  // namespace trickle
