#include "integration/decode_video.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

namespace trickle::testing {
namespace {

struct Deleter {
  void operator()(AVFormatContext* context) const { avformat_close_input(&context); }
  void operator()(AVCodecContext* context) const { avcodec_free_context(&context); }
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
  void operator()(AVIOContext* io) const {
    av_freep(&io->buffer);
    avio_context_free(&io);
  }
};
template <typename T>
using Owned = std::unique_ptr<T, Deleter>;

int read_from_span(void* opaque, uint8_t* buffer, int size) {
  auto& rest = *static_cast<std::span<const uint8_t>*>(opaque);
  if (rest.empty()) return AVERROR_EOF;
  const size_t step = std::min(rest.size(), static_cast<size_t>(size));
  std::memcpy(buffer, rest.data(), step);
  rest = rest.subspan(step);
  return static_cast<int>(step);
}

void take_frames(AVCodecContext& decoder, DecodedVideo& video) {
  const Owned<AVFrame> frame(av_frame_alloc());
  while (avcodec_receive_frame(&decoder, frame.get()) == 0) {
    const bool damaged = frame->decode_error_flags != 0 || (frame->flags & AV_FRAME_FLAG_CORRUPT) != 0;
    if (video.frames == 0) video.first_frame_is_whole = !damaged;
    ++video.frames;
    if (damaged) ++video.damaged_frames;
  }
}

}  // namespace

DecodedVideo decode_video(std::span<const uint8_t> media) {
  av_log_set_level(AV_LOG_QUIET);
  constexpr int kBufferBytes = 32 * 1024;
  const Owned<AVIOContext> io(avio_alloc_context(static_cast<uint8_t*>(av_malloc(kBufferBytes)), kBufferBytes,
                                                 0, &media, read_from_span, nullptr, nullptr));
  AVFormatContext* opened = avformat_alloc_context();
  opened->pb = io.get();
  DecodedVideo video;
  if (avformat_open_input(&opened, "", av_find_input_format("mpegts"), nullptr) < 0) return video;
  const Owned<AVFormatContext> input(opened);
  avformat_find_stream_info(input.get(), nullptr);
  const AVStream* stream = nullptr;
  for (unsigned i = 0; i < input->nb_streams && stream == nullptr; ++i) {
    if (input->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO) stream = input->streams[i];
  }
  if (stream == nullptr) return video;
  const AVCodec* codec = avcodec_find_decoder(stream->codecpar->codec_id);
  const Owned<AVCodecContext> decoder(avcodec_alloc_context3(codec));
  avcodec_parameters_to_context(decoder.get(), stream->codecpar);
  decoder->thread_count = 1;
  if (avcodec_open2(decoder.get(), codec, nullptr) < 0) throw std::runtime_error("no decoder");
  const Owned<AVPacket> packet(av_packet_alloc());
  while (av_read_frame(input.get(), packet.get()) >= 0) {
    if (packet->stream_index == stream->index) {
      if (video.packets++ == 0) video.first_packet_is_key = (packet->flags & AV_PKT_FLAG_KEY) != 0;
      avcodec_send_packet(decoder.get(), packet.get());
      take_frames(*decoder, video);
    }
    av_packet_unref(packet.get());
  }
  avcodec_send_packet(decoder.get(), nullptr);
  take_frames(*decoder, video);
  return video;
}

}  // namespace trickle::testing
