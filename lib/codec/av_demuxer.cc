// libavformat's demuxers behind our interface.
#include "codec/convert.h"
#include "codec/demuxer.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "base/try.h"

namespace trickle {
namespace {

// What a container without headers may cost before its tracks are known.
constexpr int64_t kProbeBytes = 1'000'000;
// How many packets may be read to see where each track begins.
constexpr size_t kMaxAhead = 64;
constexpr int64_t kAnalyzeMicroseconds = 500'000;

int rotation_of(const AVStream& stream) {
  const int32_t* matrix = nullptr;
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 102)
  const AVPacketSideData* data = av_packet_side_data_get(
      stream.codecpar->coded_side_data, stream.codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
  if (data != nullptr) matrix = reinterpret_cast<const int32_t*>(data->data);
#else
  matrix =
      reinterpret_cast<const int32_t*>(av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, nullptr));
#endif
  if (matrix == nullptr) return 0;
  return rotation_of_matrix(matrix);
}

class AvDemuxer final : public Demuxer {
 public:
  AvDemuxer(std::unique_ptr<FdReader> reader, InputContextPtr context)
      : reader_(std::move(reader)), context_(std::move(context)) {
    const int best = av_find_best_stream(context_.get(), AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
    track_of_stream_.assign(context_->nb_streams, -1);
    for (unsigned i = 0; i < context_->nb_streams; ++i) {
      AVStream& stream = *context_->streams[i];
      const AVMediaType type = stream.codecpar->codec_type;
      const bool picture_of_a_song = (stream.disposition & AV_DISPOSITION_ATTACHED_PIC) != 0;
      const bool wanted = type == AVMEDIA_TYPE_AUDIO ||
                          (type == AVMEDIA_TYPE_VIDEO && static_cast<int>(i) == best && !picture_of_a_song);
      if (!wanted) {
        stream.discard = AVDISCARD_ALL;
        continue;
      }
      track_of_stream_[i] = static_cast<int>(tracks_.size());
      DemuxTrack track{CodecParametersPtr(avcodec_parameters_alloc()), from_av(stream.time_base),
                       from_av(av_guess_frame_rate(context_.get(), &stream, nullptr)), rotation_of(stream)};
      avcodec_parameters_copy(track.parameters.get(), stream.codecpar);
      tracks_.push_back(std::move(track));
      wrap_bits_ = stream.pts_wrap_bits < 63 ? stream.pts_wrap_bits : 0;
    }
  }

  [[nodiscard]] const std::vector<DemuxTrack>& tracks() const override { return tracks_; }
  [[nodiscard]] int wrap_bits() const override { return wrap_bits_; }
  [[nodiscard]] double seconds_below_zero() const override { return below_zero_; }
  [[nodiscard]] bool would_wait() const override { return !reader_->ready_now(); }

  Result<std::optional<DemuxPacket>> read() override {
    if (ahead_.empty()) return read_packet();
    DemuxPacket packet = std::move(ahead_.front());
    ahead_.pop_front();
    return std::optional(std::move(packet));
  }

  /// Finds out how far below zero the tracks begin, as far as that takes no waiting.
  Result<void> look_ahead() {
    std::vector<bool> seen(tracks_.size(), false);
    while (ahead_.size() < kMaxAhead && std::find(seen.begin(), seen.end(), false) != seen.end() &&
           (ahead_.empty() || reader_->ready_now())) {
      TRICKLE_TRY_ASSIGN(std::optional<DemuxPacket> packet, read_packet());
      if (!packet) break;
      const int64_t first = packet->packet->pts != AV_NOPTS_VALUE ? packet->packet->pts : packet->packet->dts;
      if (first != AV_NOPTS_VALUE && wrap_bits_ == 0) {
        const double seconds = static_cast<double>(first) * tracks_[packet->track].time_base.to_double();
        below_zero_ = std::max(below_zero_, -seconds);
      }
      seen[packet->track] = true;
      ahead_.push_back(std::move(*packet));
    }
    return {};
  }

 private:
  Result<std::optional<DemuxPacket>> read_packet() {
    while (true) {
      PacketPtr packet(av_packet_alloc());
      if (!packet) return unexpected(ErrorKind::kInternal, "out of memory for a packet");
      const int code = av_read_frame(context_.get(), packet.get());
      if (code == AVERROR(EAGAIN)) continue;
      if (code < 0) {
        if (reader_->failure()) return unexpected(*reader_->failure());
        return std::optional<DemuxPacket>();  // Damage that the demuxer can't pass is where its input ends.
      }
      const auto stream = static_cast<size_t>(packet->stream_index);
      const int track = stream < track_of_stream_.size() ? track_of_stream_[stream] : -1;
      if (track < 0) continue;
      return std::optional(
          DemuxPacket{static_cast<size_t>(track), std::move(packet), reader_->last_arrival()});
    }
  }

 private:
  std::unique_ptr<FdReader> reader_;
  InputContextPtr context_;
  std::vector<DemuxTrack> tracks_;
  std::vector<int> track_of_stream_;
  std::deque<DemuxPacket> ahead_;
  int wrap_bits_ = 0;
  double below_zero_ = 0;
};

bool tracks_are_known(const AVFormatContext& context) {
  if ((context.ctx_flags & AVFMTCTX_NOHEADER) != 0 || context.nb_streams == 0) return false;
  for (unsigned i = 0; i < context.nb_streams; ++i) {
    const AVCodecParameters& parameters = *context.streams[i]->codecpar;
    const bool audio = parameters.codec_type == AVMEDIA_TYPE_AUDIO;
    const bool video = parameters.codec_type == AVMEDIA_TYPE_VIDEO;
    if ((audio || video) && parameters.codec_id == AV_CODEC_ID_NONE) return false;
    // Raw elementary streams state nothing, and need a parser to find their packets.
    if ((audio && parameters.sample_rate == 0) || (video && parameters.width == 0)) return false;
  }
  return true;
}

Unexpected not_understood(const FdReader& reader, int code) {
  if (reader.failure()) return unexpected(*reader.failure());
  if (reader.stop().stop_requested())
    return unexpected(ErrorKind::kCancelled, "stopped before the first frame");
  return unexpected(ErrorKind::kBadData,
                    fmt::format("the input is no media that can be understood ({})", av_error_text(code)));
}

}  // namespace

Result<std::unique_ptr<Demuxer>> open_av_demuxer(std::unique_ptr<FdReader> reader) {
  AVFormatContext* raw = avformat_alloc_context();
  if (raw == nullptr) return unexpected(ErrorKind::kInternal, "out of memory for a demuxer");
  raw->pb = reader->avio();
  raw->flags |= AVFMT_FLAG_CUSTOM_IO;
  raw->probesize = kProbeBytes;
  raw->max_analyze_duration = kAnalyzeMicroseconds;
  raw->correct_ts_overflow = 0;  // Wraps are undone by ours, which never goes below zero.
  if (const int code = avformat_open_input(&raw, nullptr, nullptr, nullptr); code < 0) {
    return not_understood(*reader, code);
  }
  InputContextPtr context(raw);
  if (!tracks_are_known(*context)) {
    if (const int code = avformat_find_stream_info(context.get(), nullptr); code < 0) {
      return not_understood(*reader, code);
    }
  }
  return wrap_av_demuxer(std::move(reader), std::move(context));
}

Result<std::unique_ptr<Demuxer>> wrap_av_demuxer(std::unique_ptr<FdReader> reader, InputContextPtr context) {
  auto demuxer = std::make_unique<AvDemuxer>(std::move(reader), std::move(context));
  if (demuxer->tracks().empty()) {
    return unexpected(ErrorKind::kBadData, "the input has neither a video nor an audio track");
  }
  TRICKLE_TRY(demuxer->look_ahead());
  return std::unique_ptr<Demuxer>(std::move(demuxer));
}

}  // namespace trickle
