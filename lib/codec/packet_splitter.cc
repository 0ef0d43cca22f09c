#include "codec/packet_splitter.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

namespace trickle {
namespace {

enum class NalKind { kOther, kPicture, kDelimiter };

NalKind kind_of(AVCodecID codec, uint8_t header) {
  if (codec == AV_CODEC_ID_H264) {
    const int type = header & 0x1f;
    if (type == 9) return NalKind::kDelimiter;
    return type >= 1 && type <= 5 ? NalKind::kPicture : NalKind::kOther;
  }
  const int type = (header >> 1) & 0x3f;
  if (type == 35) return NalKind::kDelimiter;
  return type <= 31 ? NalKind::kPicture : NalKind::kOther;
}

// Where a second picture begins: at a delimiter that follows a picture. Its size when there is none.
size_t find_second_picture(AVCodecID codec, std::span<const uint8_t> data) {
  bool seen_picture = false;
  for (size_t at = 2; at + 1 < data.size(); ++at) {
    const auto* one = static_cast<const uint8_t*>(std::memchr(&data[at], 1, data.size() - at - 1));
    if (one == nullptr) break;
    at = static_cast<size_t>(one - data.data());
    if (data[at - 1] != 0 || data[at - 2] != 0) continue;
    const NalKind kind = kind_of(codec, data[at + 1]);
    if (kind == NalKind::kDelimiter && seen_picture) return at >= 3 && data[at - 3] == 0 ? at - 3 : at - 2;
    if (kind == NalKind::kPicture) seen_picture = true;
  }
  return data.size();
}

}  // namespace

PacketSplitter::PacketSplitter(AVCodecID codec) : codec_(codec) {
  if (avcodec_get_type(codec) != AVMEDIA_TYPE_AUDIO) return;
  parser_.reset(av_parser_init(codec));
  context_.reset(avcodec_alloc_context3(nullptr));
  if (context_) context_->codec_id = codec;
}

PacketPtr PacketSplitter::make_packet(std::span<const uint8_t> data, bool damaged) const {
  PacketPtr packet(av_packet_alloc());
  if (!packet || av_new_packet(packet.get(), static_cast<int>(data.size())) < 0) return nullptr;
  std::memcpy(packet->data, data.data(), data.size());
  if (damaged) packet->flags |= AV_PKT_FLAG_CORRUPT;
  return packet;
}

void PacketSplitter::split(const PesCollector::Unit& unit, const Give& give) {
  if (avcodec_get_type(codec_) == AVMEDIA_TYPE_AUDIO) {
    split_audio(unit, give);
  } else {
    split_pictures(unit, give);
  }
}

void PacketSplitter::split_pictures(const PesCollector::Unit& unit, const Give& give) {
  std::span<const uint8_t> rest(unit.data);
  for (bool first = true; !rest.empty(); first = false) {
    const bool can_split = codec_ == AV_CODEC_ID_H264 || codec_ == AV_CODEC_ID_HEVC;
    const size_t end = can_split ? find_second_picture(codec_, rest) : rest.size();
    PacketPtr packet = make_packet(rest.first(end), unit.damaged);
    rest = rest.subspan(end);
    if (!packet) return;
    if (first && unit.pts) {
      packet->pts = *unit.pts;
      packet->dts = unit.dts.value_or(*unit.pts);
    }
    give(std::move(packet));
  }
}

void PacketSplitter::split_audio(const PesCollector::Unit& unit, const Give& give) {
  if (!parser_ || !context_) {
    if (PacketPtr packet = make_packet(unit.data, unit.damaged)) {
      time_audio(*packet, unit.pts);
      give(std::move(packet));
    }
    return;
  }
  // Parsers read past the end of what they are given.
  std::vector<uint8_t> padded(unit.data.size() + AV_INPUT_BUFFER_PADDING_SIZE);
  std::copy(unit.data.begin(), unit.data.end(), padded.begin());
  std::span<const uint8_t> rest = std::span(padded).first(unit.data.size());
  int64_t pts = unit.pts.value_or(AV_NOPTS_VALUE);
  while (!rest.empty()) {
    const int used = parse(rest, pts, unit.damaged, give);
    if (used < 0) return;
    rest = rest.subspan(static_cast<size_t>(used));
    pts = AV_NOPTS_VALUE;  // The parser has it and gives it to the first frame that begins after it.
  }
}

void PacketSplitter::finish(const Give& give) {
  if (parser_ && context_) parse({}, AV_NOPTS_VALUE, false, give);
}

// Gives the frame that is whole now, if any. Returns how many bytes were taken, or less than 0 when that is
// hopeless.
int PacketSplitter::parse(std::span<const uint8_t> bytes, int64_t pts, bool damaged, const Give& give) {
  uint8_t* frame = nullptr;
  int frame_bytes = 0;
  const int used = av_parser_parse2(parser_.get(), context_.get(), &frame, &frame_bytes, bytes.data(),
                                    static_cast<int>(bytes.size()), pts, pts, 0);
  if (frame_bytes > 0) {
    PacketPtr packet = make_packet({frame, static_cast<size_t>(frame_bytes)}, damaged);
    if (!packet) return -1;
    time_audio(*packet, parser_->pts != AV_NOPTS_VALUE ? std::optional(parser_->pts) : std::nullopt);
    give(std::move(packet));
  }
  return used == 0 && frame_bytes == 0 ? -1 : used;
}

// By its own header, else by what the parser has found out.
AudioSpan PacketSplitter::span_of(const AVPacket& packet) {
  constexpr int kOpusRate = 48'000;
  const AudioSpan own = spans_.read(codec_, {packet.data, static_cast<size_t>(packet.size)});
  if (own.rate > 0 || codec_ == AV_CODEC_ID_AAC || !parser_ || !context_) return own;
  return {parser_->duration, codec_ == AV_CODEC_ID_OPUS ? kOpusRate : context_->sample_rate};
}

// A frame without a time of its own follows the one before by the samples that it holds.
void PacketSplitter::time_audio(AVPacket& packet, std::optional<int64_t> pts) {
  constexpr int64_t kTicksPerSecond = 90'000;
  const auto [samples, rate] = span_of(packet);
  if (pts) {
    base_pts_ = pts;
    samples_since_base_ = 0;
  }
  if (!base_pts_ || (!pts && rate <= 0)) return;
  const int64_t begin = rate > 0 ? samples_since_base_ * kTicksPerSecond / rate : 0;
  samples_since_base_ += samples;
  packet.pts = packet.dts = *base_pts_ + begin;
  if (rate > 0) packet.duration = samples_since_base_ * kTicksPerSecond / rate - begin;
}

}  // namespace trickle
