#include "codec/ts_muxer.h"

extern "C" {
#include <libavutil/opt.h>
}

#include <algorithm>
#include <array>

#include "base/try.h"
#include "codec/convert.h"
#include "media/ts_packet.h"

namespace trickle {
namespace {

constexpr Rational kTicks90k{1, 90000};
// How far the clock runs behind the decoding times: a receiver's buffer, without delaying anything here.
constexpr int kClockDelayMicroseconds = 120'000;
constexpr int64_t kClockDelayTicks = 10'800;
// The longest way from one clock reference to the next: 40 ms, less what rounding may cost.
constexpr int64_t kClockStepTicks = 3'550;
// Longer silences are not bridged: nothing is shown in them that a clock could time.
constexpr int64_t kLongestBridgeTicks = 10 * 90'000;
constexpr int kFirstPid = 0x100;
// Added to all times, so that neither they nor the clock are ever negative; 33 bits are written, so nobody
// sees it.
constexpr int64_t kOneWrap = int64_t{1} << 33;

}  // namespace

TsMuxer::TsMuxer(int fd, Counters& counters) : writer_(fd, counters) {
  writer_.observe([this](std::span<const std::byte> bytes) { note_counters(bytes); });
}

// Clock references between pictures are packets without payload, which repeat the counter of the packet
// before.
void TsMuxer::note_counters(std::span<const std::byte> bytes) {
  if (!clock_track_) return;
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  for (size_t at = 0; at + ts::kPacketBytes <= bytes.size(); at += ts::kPacketBytes) {
    if (ts::pid_of(data + at) == kFirstPid + *clock_track_) clock_counter_ = data[at + 3] & 0x0f;
  }
}

// Slow pictures leave the clock alone for longer than receivers accept: references in between, up to `until`.
Result<void> TsMuxer::keep_clock_running(int64_t until) {
  if (clock_ticks_ && until - *clock_ticks_ <= kLongestBridgeTicks) {
    while (until - *clock_ticks_ > kClockStepTicks + 50) {
      *clock_ticks_ += kClockStepTicks;
      const std::array<uint8_t, ts::kPacketBytes> packet = ts::make_clock_packet(
          static_cast<uint16_t>(kFirstPid + *clock_track_), clock_counter_, *clock_ticks_ * 300);
      TRICKLE_TRY(writer_.insert(std::as_bytes(std::span(packet))));
    }
  }
  clock_ticks_ = until;
  return {};
}

Result<size_t> TsMuxer::add_track(const AVCodecParameters& parameters) {
  if (!context_) {
    AVFormatContext* context = nullptr;
    if (const int code = avformat_alloc_output_context2(&context, nullptr, "mpegts", nullptr); code < 0) {
      return av_unexpected(ErrorKind::kInternal, "can't write MPEG-TS", code);
    }
    context_.reset(context);
  }
  AVStream* stream = avformat_new_stream(context_.get(), nullptr);
  if (stream == nullptr || avcodec_parameters_copy(stream->codecpar, &parameters) < 0) {
    return unexpected(ErrorKind::kInternal, "out of memory for a track");
  }
  stream->codecpar->codec_tag = 0;
  stream->time_base = to_av(kTicks90k);
  stream->id = kFirstPid + static_cast<int>(last_dts_.size());
  if (parameters.codec_type == AVMEDIA_TYPE_VIDEO && !clock_track_) clock_track_ = last_dts_.size();
  last_dts_.emplace_back();
  return last_dts_.size() - 1;
}

Result<void> TsMuxer::open() {
  if (!context_) return unexpected(ErrorKind::kBadData, "the input has no track that MPEG-TS could carry");
  context_->pb = writer_.avio();
  context_->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_FLUSH_PACKETS;
  context_->max_delay = kClockDelayMicroseconds;
  context_->avoid_negative_ts = 0;
  AvDictionary options;
  options.set("mpegts_copyts", "1");
  options.set("pes_payload_size", "0");       // Audio frames leave one by one.
  options.set("omit_video_pes_length", "0");  // A receiver then knows where a picture ends.
  if (const int code = avformat_write_header(context_.get(), options.get()); code < 0) {
    TRICKLE_TRY(writer_.flush());
    return av_unexpected(ErrorKind::kInternal, "can't write MPEG-TS", code);
  }
  return writer_.flush();
}

Result<void> TsMuxer::write(size_t track, AVPacket& packet, Rational time_base) {
  int64_t pts = rescale(packet.pts, time_base, kTicks90k) + kOneWrap;
  int64_t dts = packet.dts == AV_NOPTS_VALUE ? pts : rescale(packet.dts, time_base, kTicks90k) + kOneWrap;
  if (last_dts_[track] && dts <= *last_dts_[track]) dts = *last_dts_[track] + 1;
  pts = std::max(pts, dts);
  last_dts_[track] = dts;
  packet.pts = pts;
  packet.dts = dts;
  packet.duration = rescale(packet.duration, time_base, kTicks90k);
  packet.stream_index = static_cast<int>(track);
  const bool video = context_->streams[track]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
  if (video && (packet.flags & AV_PKT_FLAG_KEY) != 0) {
    av_opt_set(context_->priv_data, "mpegts_flags", "+resend_headers", 0);
  }
  if (clock_track_ == track) TRICKLE_TRY(keep_clock_running(dts - kClockDelayTicks));
  const int code = av_write_frame(context_.get(), &packet);
  TRICKLE_TRY(writer_.flush());
  if (code == AVERROR_INVALIDDATA) {
    return av_unexpected(ErrorKind::kBadData, "a packet is not what its codec makes", code);
  }
  if (code < 0) return av_unexpected(ErrorKind::kInternal, "writing a packet failed", code);
  return {};
}

Result<void> TsMuxer::finish() {
  av_write_trailer(context_.get());
  return writer_.flush();
}

}  // namespace trickle
