#include "codec/audio_span.h"

#include <gtest/gtest.h>

#include <vector>

namespace trickle {
namespace {

AudioSpan span_of(AVCodecID codec, const std::vector<uint8_t>& packet) {
  return AudioSpanReader().read(codec, packet);
}

#define EXPECT_SPAN(span, expected_samples, expected_rate) \
  {                                                        \
    const AudioSpan got = span;                            \
    EXPECT_EQ(got.samples, expected_samples);              \
    EXPECT_EQ(got.rate, expected_rate);                    \
  }

TEST(AudioSpan, ReadsAdtsHeadersWithOneFrameAndWithSeveral) {
  EXPECT_SPAN(span_of(AV_CODEC_ID_AAC, {0xff, 0xf1, 0x4c, 0x80, 0x10, 0x1f, 0xfc}), 1024, 48000);
  EXPECT_SPAN(span_of(AV_CODEC_ID_AAC, {0xff, 0xf9, 0x50, 0x80, 0x10, 0x1f, 0xfd}), 2048, 44100);
  EXPECT_SPAN(span_of(AV_CODEC_ID_AAC, {0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c, 0x00}), 0, 0);
}

TEST(AudioSpan, ReadsEveryLayerAndVersionOfMpegAudio) {
  EXPECT_SPAN(span_of(AV_CODEC_ID_MP2, {0xff, 0xfd, 0xa4, 0x00}), 1152, 48000);  // MPEG-1, layer II
  EXPECT_SPAN(span_of(AV_CODEC_ID_MP2, {0xff, 0xfb, 0x90, 0x00}), 1152, 44100);  // MPEG-1, layer III
  EXPECT_SPAN(span_of(AV_CODEC_ID_MP3, {0xff, 0xf3, 0x94, 0x00}), 576, 24000);   // MPEG-2, layer III
  EXPECT_SPAN(span_of(AV_CODEC_ID_MP3, {0xff, 0xe3, 0x98, 0x00}), 576, 8000);    // MPEG-2.5, layer III
  EXPECT_SPAN(span_of(AV_CODEC_ID_MP1, {0xff, 0xff, 0x98, 0x00}), 384, 32000);   // MPEG-1, layer I
  EXPECT_SPAN(span_of(AV_CODEC_ID_MP2, {0xff, 0xeb, 0x90, 0x00}), 0, 0);         // No such version
  EXPECT_SPAN(span_of(AV_CODEC_ID_MP2, {0xff, 0xfd}), 0, 0);
}

// Bits of a LATM packet after its length.
std::vector<uint8_t> latm(const char* bits) {
  std::vector<uint8_t> packet{0x56, 0xe0, 0x20};
  int count = 0;
  for (; *bits != 0; ++bits) {
    if (*bits == ' ') continue;
    if (count++ % 8 == 0) packet.push_back(0);
    packet.back() = static_cast<uint8_t>(packet.back() | (*bits == '1') << (7 - (count - 1) % 8));
  }
  packet.insert(packet.end(), 4, 0);
  return packet;
}

TEST(AudioSpan, ReadsTheConfigurationOfLatmAndKeepsItForPacketsWithoutOne) {
  AudioSpanReader reader;
  const auto read = [&](const char* bits) { return reader.read(AV_CODEC_ID_AAC_LATM, latm(bits)); };
  EXPECT_SPAN(read("1"), 0, 0);  // Refers to one that was never sent.
  EXPECT_SPAN(read("0 0 1 000000 0000 000  00010 0011 0010 0"), 1024, 48000);
  EXPECT_SPAN(read("1"), 1024, 48000);
  EXPECT_SPAN(read("0 0 1 000001 0000 000  00010 0100 0010 1"), 2 * 960, 44100);
  // Version 2 of the syntax, SBR over a core of 24 kHz.
  EXPECT_SPAN(read("0 1 0 00 11111111 1 000000 0000 000 00 00001111  00101 0110 0010 0011 00010 0"), 1024,
              24000);
  // A rate that is written out.
  EXPECT_SPAN(read("0 0 1 000000 0000 000  00010 1111 000000001011101110000000 0010 0"), 1024, 48000);
}

TEST(AudioSpan, NonsenseIsNothing) {
  EXPECT_SPAN(span_of(AV_CODEC_ID_AAC_LATM, {}), 0, 0);
  EXPECT_SPAN(span_of(AV_CODEC_ID_AAC_LATM, {0x56, 0xe0, 0x20}), 0, 0);
  EXPECT_SPAN(span_of(AV_CODEC_ID_AC3, {0x0b, 0x77, 0x00, 0x00}), 0, 0);
}

}  // namespace
}  // namespace trickle
