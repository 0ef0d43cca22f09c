#include "codec/nut_sink.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/log.h"
#include "base/try.h"
#include "codec/convert.h"
#include "codec/fd_avio.h"
#include "codec/picture_note.h"
#include "codec/picture_scaler.h"
#include "io/fd_io.h"
#include "media/shm_link.h"

namespace trickle {
namespace {

constexpr size_t kPipeBytes = 1024 * 1024;

PictureNote note_of(const VideoFrame& frame) { return {frame.color, frame.field_order, frame.sample_aspect}; }

class NutSink final : public FrameSink {
 public:
  NutSink(int fd, const StreamInfo& info, Counters& counters, std::shared_ptr<FrameMemory> shared)
      : info_(info),
        counters_(counters),
        fd_(fd),
        writer_(fd, counters),
        packet_(av_packet_alloc()),
        shared_(std::move(shared)),
        scaler_(shared_) {
    grow_pipe(fd, kPipeBytes);
    struct stat status {};
    is_regular_file_ = ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  }

  Result<void> open();
  Result<void> write(FrameItem item) override {
    return std::visit([this](auto& one) { return write_one(one); }, item);
  }
  Result<void> finish() override {
    av_write_trailer(muxer_.get());
    TRICKLE_TRY(writer_.flush());
    if (link_) link_->finish();
    return {};
  }

 private:
  void offer_link();
  Result<void> add_video(const VideoTrackInfo& track);
  Result<void> add_audio(const AudioTrackInfo& track);
  Result<void> write_one(VideoItem& item);
  Result<void> write_one(AudioItem& item);
  void add_side_data(const VideoFrame& frame);
  bool refers_to_planes(const VideoFrame& frame);
  Result<void> refer_to_slot(VideoFrame frame);
  Result<void> refer_to_pixels(VideoFrame& frame);
  Result<void> write_packet(size_t stream, const Timestamp& timestamp, int64_t duration_ticks);

  const StreamInfo info_;
  Counters& counters_;
  int fd_;
  FdWriter writer_;
  OutputContextPtr muxer_;
  PacketPtr packet_;
  std::shared_ptr<FrameMemory> shared_;
  PictureScaler scaler_;
  std::unique_ptr<LinkWriter> link_;  // Null when there is nothing to offer, or nobody who could take it.
  std::array<uint8_t, SlotDescriptor::kBytes> descriptor_{};
  std::vector<int64_t> last_pts_;
  int width_ = 0;
  int height_ = 0;
  PictureNote note_;
  bool is_regular_file_ = false;
};

void NutSink::offer_link() {
  if (!shared_ || !info_.video) return;
  auto link = LinkWriter::create(fd_);
  if (link) {
    link_ = *std::move(link);
  } else {
    log::warning("frames go through the pipe, not through shared memory: {}", link.error().to_string());
  }
}

Result<void> NutSink::add_video(const VideoTrackInfo& track) {
  AVStream* stream = avformat_new_stream(muxer_.get(), nullptr);
  if (stream == nullptr) return unexpected(ErrorKind::kInternal, "out of memory");
  AVCodecParameters& parameters = *stream->codecpar;
  parameters.codec_type = AVMEDIA_TYPE_VIDEO;
  parameters.codec_id = AV_CODEC_ID_RAWVIDEO;
  parameters.format = to_av(track.format);
  parameters.codec_tag = avcodec_pix_fmt_to_codec_tag(to_av(track.format));
  parameters.width = width_ = track.width;
  parameters.height = height_ = track.height;
  parameters.sample_aspect_ratio = stream->sample_aspect_ratio = to_av(track.sample_aspect);
  stream->time_base = to_av(track.time_base);
  stream->avg_frame_rate = stream->r_frame_rate = to_av(track.frame_rate);
  note_ = {track.color, FieldOrder::kProgressive, track.sample_aspect};
  const std::string note = link_ ? format_picture_note(note_, link_->offer()) : format_picture_note(note_);
  return set_extradata(parameters, {reinterpret_cast<const uint8_t*>(note.data()), note.size()});
}

Result<void> NutSink::add_audio(const AudioTrackInfo& track) {
  TRICKLE_TRY_ASSIGN(const CodecParametersPtr parameters, to_av(track));
  AVStream* stream = avformat_new_stream(muxer_.get(), nullptr);
  if (stream == nullptr || avcodec_parameters_copy(stream->codecpar, parameters.get()) < 0) {
    return unexpected(ErrorKind::kInternal, "out of memory for a track");
  }
  stream->time_base = to_av(track.time_base);
  return {};
}

Result<void> NutSink::open() {
  AVFormatContext* context = nullptr;
  if (const int code = avformat_alloc_output_context2(&context, nullptr, "nut", nullptr); code < 0) {
    return av_unexpected(ErrorKind::kInternal, "can't write frames", code);
  }
  muxer_.reset(context);
  muxer_->pb = writer_.avio();
  muxer_->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_FLUSH_PACKETS;
  // Version 4, the one that can change sizes, goes by this name in libavformat.
  muxer_->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;
  offer_link();
  if (info_.video) TRICKLE_TRY(add_video(*info_.video));
  for (const auto& track : info_.audio) TRICKLE_TRY(add_audio(track));
  AvDictionary options;
  options.set("syncpoints", "timestamped");
  // Only a file has readers that jump about; in a pipe an index would just grow.
  options.set("write_index", is_regular_file_ ? "1" : "0");
  if (const int code = avformat_write_header(muxer_.get(), options.get()); code < 0) {
    TRICKLE_TRY(writer_.flush());
    return av_unexpected(ErrorKind::kInternal, "can't write frames", code);
  }
  last_pts_.assign(muxer_->nb_streams, -1);
  return writer_.flush();
}

void NutSink::add_side_data(const VideoFrame& frame) {
  if (frame.width != width_ || frame.height != height_) {
    width_ = frame.width;
    height_ = frame.height;
    const std::array<uint32_t, 3> fields{AV_SIDE_DATA_PARAM_CHANGE_DIMENSIONS, static_cast<uint32_t>(width_),
                                         static_cast<uint32_t>(height_)};
    uint8_t* data = av_packet_new_side_data(packet_.get(), AV_PKT_DATA_PARAM_CHANGE, 4 * fields.size());
    for (size_t i = 0; data != nullptr && i < 4 * fields.size(); ++i) {
      data[i] = static_cast<uint8_t>(fields[i / 4] >> 8 * (i % 4));
    }
  }
  if (const PictureNote note = note_of(frame); note != note_) {
    note_ = note;
    const std::string text = format_picture_note(note);
    uint8_t* data = av_packet_new_side_data(packet_.get(), AV_PKT_DATA_NEW_EXTRADATA, text.size());
    if (data != nullptr) std::copy(text.begin(), text.end(), data);
  }
}

// True when every plane's rows follow each other without padding: the planes then go out from where they lie.
bool NutSink::refers_to_planes(const VideoFrame& frame) {
  std::array<std::span<const std::byte>, 4> pieces;
  const auto planes = static_cast<size_t>(pixel_format_info(frame.format).planes);
  for (size_t plane = 0; plane < planes; ++plane) {
    const size_t row_bytes = plane_row_bytes(frame.format, static_cast<int>(plane), frame.width);
    if (frame.planes[plane].stride_bytes != static_cast<ptrdiff_t>(row_bytes)) return false;
    pieces[plane] = {
        reinterpret_cast<const std::byte*>(frame.planes[plane].data),
        row_bytes * static_cast<size_t>(plane_rows(frame.format, static_cast<int>(plane), frame.height))};
  }
  writer_.substitute_next(std::span(pieces).first(planes));
  return true;
}

// The packet becomes a descriptor; pixels that the reader could not see are copied to where it can.
Result<void> NutSink::refer_to_slot(VideoFrame frame) {
  if (!SharedRegion::find(frame.planes[0].data, 1) || frame.planes[0].stride_bytes < 0) {
    VideoFrame slot = make_padded_frame(*shared_, frame.format, frame.width, frame.height);
    if (!slot.memory) return unexpected(ErrorKind::kInternal, "out of memory for a frame");
    copy_pixels(frame, slot);
    frame = std::move(slot);
  }
  TRICKLE_TRY_ASSIGN(const SlotDescriptor descriptor, link_->lease(std::move(frame)));
  descriptor_ = pack(descriptor);
  packet_->data = descriptor_.data();
  packet_->size = static_cast<int>(descriptor_.size());
  return {};
}

// The packet becomes the picture itself. `frame` must stay until it is written.
Result<void> NutSink::refer_to_pixels(VideoFrame& frame) {
  if (!refers_to_planes(frame)) {
    frame = copy_of(frame);
    refers_to_planes(frame);
  }
  packet_->data = frame.planes[0].data;
  packet_->size = static_cast<int>(packed_picture_bytes(frame.format, frame.width, frame.height));
  return {};
}

Result<void> NutSink::write_one(VideoItem& item) {
  if (!info_.video) return {};
  const int width = item.frame.width;
  const int height = item.frame.height;
  TRICKLE_TRY_ASSIGN(VideoFrame frame,
                     scaler_.convert(std::move(item.frame), width, height, info_.video->format));
  const Timestamp timestamp = frame.timestamp;
  const int64_t duration_ticks = frame.duration_ticks;
  add_side_data(frame);
  if (link_ && link_->taken()) {
    TRICKLE_TRY(refer_to_slot(std::move(frame)));
  } else {
    TRICKLE_TRY(refer_to_pixels(frame));
  }
  TRICKLE_TRY(write_packet(0, timestamp, duration_ticks));
  counters_.frames_out.fetch_add(1, std::memory_order_relaxed);
  counters_.latency.record(std::chrono::steady_clock::now() - item.arrived);
  return {};
}

Result<void> NutSink::write_one(AudioItem& item) {
  const AudioPacket& audio = item.packet;
  const size_t stream = static_cast<size_t>(audio.track) + (info_.video ? 1 : 0);
  if (audio.track < 0 || stream >= muxer_->nb_streams) return {};
  packet_->data = const_cast<uint8_t*>(audio.data);
  packet_->size = static_cast<int>(audio.size_bytes);
  TRICKLE_TRY(write_packet(stream, audio.timestamp, audio.duration_ticks));
  counters_.audio_out.fetch_add(1, std::memory_order_relaxed);
  return {};
}

Result<void> NutSink::write_packet(size_t stream, const Timestamp& timestamp, int64_t duration_ticks) {
  const Rational time_base = from_av(muxer_->streams[stream]->time_base);
  int64_t pts = rescale(timestamp.ticks, timestamp.time_base, time_base);
  // NUT refuses times that stand still; two frames of one tick are a tick apart.
  if (pts <= last_pts_[stream]) pts = last_pts_[stream] + 1;
  last_pts_[stream] = pts;
  packet_->stream_index = static_cast<int>(stream);
  packet_->pts = packet_->dts = pts;
  packet_->duration = rescale(duration_ticks, timestamp.time_base, time_base);
  packet_->flags = AV_PKT_FLAG_KEY;
  const int code = av_write_frame(muxer_.get(), packet_.get());
  av_packet_unref(packet_.get());
  TRICKLE_TRY(writer_.flush());
  if (code < 0) return av_unexpected(ErrorKind::kInternal, "writing a frame failed", code);
  return {};
}

}  // namespace

Result<std::unique_ptr<FrameSink>> open_nut_sink(int fd, const StreamInfo& info, Counters& counters,
                                                 std::shared_ptr<FrameMemory> shared) {
  auto sink = std::make_unique<NutSink>(fd, info, counters, std::move(shared));
  TRICKLE_TRY(sink->open());
  return std::unique_ptr<FrameSink>(std::move(sink));
}

}  // namespace trickle
