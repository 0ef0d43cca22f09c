#include "codec/nut_source.h"

#include <array>
#include <optional>
#include <utility>

#include "base/log.h"
#include "base/once_a_second.h"
#include "base/try.h"
#include "codec/convert.h"
#include "codec/picture_note.h"
#include "codec/shaper.h"
#include "media/shm_link.h"

namespace trickle {
namespace {

constexpr int kMaxSide = 16384;

uint32_t little_endian_32(const uint8_t* bytes) {
  return bytes[0] | static_cast<uint32_t>(bytes[1]) << 8 | static_cast<uint32_t>(bytes[2]) << 16 |
         static_cast<uint32_t>(bytes[3]) << 24;
}

class NutSource final : public FrameSource {
 public:
  NutSource(std::unique_ptr<FdReader> reader, InputContextPtr demuxer, const DecodeOptions& options,
            std::shared_ptr<ShapeControl> control, Counters& counters, std::shared_ptr<FrameMemory> memory)
      : reader_(std::move(reader)),
        demuxer_(std::move(demuxer)),
        shaper_(options, std::move(control), counters, std::move(memory)),
        keep_audio_(options.audio != AudioMode::kNone),
        counters_(counters),
        packet_(av_packet_alloc()) {
    describe();
  }

  [[nodiscard]] const StreamInfo& info() const override { return info_; }

  Result<std::optional<FrameItem>> read() override {
    while (true) {
      const int code = av_read_frame(demuxer_.get(), packet_.get());
      if (code < 0) return end(code);
      TRICKLE_TRY_ASSIGN(std::optional<FrameItem> item, item_of(*packet_));
      if (item) return item;
    }
  }

 private:
  void describe();
  void take_offer(std::string_view note);
  Result<std::optional<FrameItem>> end(int code);
  Result<std::optional<FrameItem>> item_of(AVPacket& packet);
  Result<std::optional<FrameItem>> picture_of(AVPacket& packet);
  Result<VideoFrame> frame_of(PacketPtr packet);
  std::optional<FrameItem> lose_picture(Drop cause, std::string_view why);
  std::optional<FrameItem> audio_of(AVPacket& packet);
  void take_side_data(const AVPacket& packet);

  std::unique_ptr<FdReader> reader_;
  InputContextPtr demuxer_;
  Shaper shaper_;
  bool keep_audio_;
  Counters& counters_;
  PacketPtr packet_;
  StreamInfo info_;
  int video_stream_ = -1;
  std::vector<int> audio_track_of_stream_;
  int width_ = 0;
  int height_ = 0;
  PixelFormat format_ = PixelFormat::kNone;
  PictureNote note_;
  std::unique_ptr<LinkReader> link_;
  OnceASecond damage_;
};

// Without success the pictures come through the pipe: nothing is lost but speed.
void NutSource::take_offer(std::string_view note) {
  const std::string_view offer = link_offer_in(note);
  if (offer.empty()) return;
  auto link = LinkReader::attach(offer, reader_->fd());
  if (link) {
    link_ = *std::move(link);
  } else {
    log::info("frames come through the pipe, not through shared memory: {}", link.error().to_string());
  }
}

void NutSource::describe() {
  for (unsigned i = 0; i < demuxer_->nb_streams; ++i) {
    const AVStream& stream = *demuxer_->streams[i];
    const AVCodecParameters& parameters = *stream.codecpar;
    audio_track_of_stream_.push_back(-1);
    if (parameters.codec_type == AVMEDIA_TYPE_VIDEO && video_stream_ < 0) {
      video_stream_ = static_cast<int>(i);
      width_ = parameters.width;
      height_ = parameters.height;
      format_ = from_raw_tag(parameters.codec_tag);
      note_.sample_aspect = from_av(parameters.sample_aspect_ratio.num > 0 ? parameters.sample_aspect_ratio
                                                                           : stream.sample_aspect_ratio);
      const std::string_view text{reinterpret_cast<const char*>(parameters.extradata),
                                  static_cast<size_t>(parameters.extradata_size)};
      if (auto note = parse_picture_note(text)) note_ = *note;
      take_offer(text);
      info_.video = shaper_.shaped({width_, height_, format_, from_av(stream.time_base),
                                    from_av(stream.r_frame_rate), note_.color, note_.sample_aspect});
    } else if (parameters.codec_type == AVMEDIA_TYPE_AUDIO && keep_audio_) {
      audio_track_of_stream_.back() = static_cast<int>(info_.audio.size());
      info_.audio.push_back({avcodec_get_name(parameters.codec_id),
                             parameters.sample_rate,
                             parameters.ch_layout.nb_channels,
                             from_av(stream.time_base),
                             parameters.frame_size,
                             {parameters.extradata, parameters.extradata + parameters.extradata_size}});
    }
  }
}

Result<std::optional<FrameItem>> NutSource::end(int code) {
  if (auto held_back = damage_.rest()) log::warning("{} more damaged frames were dropped", *held_back);
  if (reader_->failure()) return unexpected(*reader_->failure());
  if (link_ && !link_->ended_well() && !reader_->stop().stop_requested()) {
    return unexpected(ErrorKind::kIo, "the program that wrote the frames died");
  }
  if (code == AVERROR_EOF || reader_->ended()) return std::optional<FrameItem>();
  return av_unexpected(ErrorKind::kBadData, "the frame stream is broken", code);
}

Result<std::optional<FrameItem>> NutSource::item_of(AVPacket& packet) {
  if (packet.stream_index == video_stream_) return picture_of(packet);
  std::optional<FrameItem> item = audio_of(packet);
  av_packet_unref(&packet);
  return item;
}

void NutSource::take_side_data(const AVPacket& packet) {
  size_t size = 0;
  const uint8_t* change = av_packet_get_side_data(&packet, AV_PKT_DATA_PARAM_CHANGE, &size);
  if (change != nullptr && size >= 12 &&
      (little_endian_32(change) & AV_SIDE_DATA_PARAM_CHANGE_DIMENSIONS) != 0) {
    // Dimensions are the last two fields, whatever stands before them.
    const uint32_t width = little_endian_32(change + 4);
    const uint32_t height = little_endian_32(change + 8);
    if (width > 0 && height > 0 && width <= kMaxSide && height <= kMaxSide) {
      width_ = static_cast<int>(width);
      height_ = static_cast<int>(height);
      log::info("frames are {}x{} from here", width_, height_);
    }
  }
  if (const uint8_t* text = av_packet_get_side_data(&packet, AV_PKT_DATA_NEW_EXTRADATA, &size)) {
    if (auto note = parse_picture_note({reinterpret_cast<const char*>(text), size})) note_ = *note;
  }
}

std::optional<FrameItem> NutSource::lose_picture(Drop cause, std::string_view why) {
  counters_.drop(cause);
  if (auto count = damage_.add(std::chrono::steady_clock::now())) {
    log::warning("{} (dropped: {})", why, *count);
  }
  return std::nullopt;
}

// The pixels, which are in the packet or where its descriptor says.
Result<VideoFrame> NutSource::frame_of(PacketPtr packet) {
  const std::span<const uint8_t> bytes(packet->data, static_cast<size_t>(packet->size));
  if (link_ && is_descriptor(bytes)) {
    const std::optional<SlotDescriptor> descriptor = parse_descriptor(bytes);
    if (!descriptor || descriptor->format != format_ || descriptor->width != width_ ||
        descriptor->height != height_) {
      return unexpected(ErrorKind::kBadData, "a frame's descriptor is broken");
    }
    return link_->open(*descriptor);
  }
  if (bytes.size() < packed_picture_bytes(format_, width_, height_)) {
    return unexpected(ErrorKind::kBadData,
                      reader_->ended() ? "the last frame was cut short" : "a frame is incomplete");
  }
  const bool ours_alone = packet->buf != nullptr && av_buffer_is_writable(packet->buf) == 1;
  uint8_t* data = packet->data;
  VideoFrame frame =
      wrap_packed_picture(format_, width_, height_, data, std::shared_ptr<AVPacket>(std::move(packet)));
  frame.exclusive = ours_alone;
  return frame;
}

Result<std::optional<FrameItem>> NutSource::picture_of(AVPacket& packet) {
  take_side_data(packet);
  PacketPtr owned(av_packet_alloc());
  if (!owned) return unexpected(ErrorKind::kInternal, "out of memory for a packet");
  av_packet_move_ref(owned.get(), &packet);
  counters_.frames_in.fetch_add(1, std::memory_order_relaxed);
  const int64_t pts = owned->pts;
  const int64_t duration = owned->duration;
  Result<VideoFrame> opened = frame_of(std::move(owned));
  if (!opened) return lose_picture(Drop::kDamaged, opened.error().to_string());
  if (pts == AV_NOPTS_VALUE) return lose_picture(Drop::kTimestamp, "a frame has no timestamp");
  VideoFrame frame = *std::move(opened);
  frame.color = note_.color;
  frame.field_order = note_.field_order;
  frame.sample_aspect = note_.sample_aspect;
  frame.timestamp = {pts, info_.video->time_base};
  frame.duration_ticks = duration;
  TRICKLE_TRY_ASSIGN(std::optional<VideoFrame> shaped, shaper_.shape(std::move(frame)));
  if (!shaped) return std::optional<FrameItem>();
  counters_.width.store(static_cast<uint64_t>(shaped->width), std::memory_order_relaxed);
  counters_.height.store(static_cast<uint64_t>(shaped->height), std::memory_order_relaxed);
  return std::optional<FrameItem>(VideoItem{std::move(*shaped), reader_->last_arrival()});
}

std::optional<FrameItem> NutSource::audio_of(AVPacket& packet) {
  const auto stream = static_cast<size_t>(packet.stream_index);
  const int track = stream < audio_track_of_stream_.size() ? audio_track_of_stream_[stream] : -1;
  if (track < 0) return std::nullopt;
  counters_.audio_in.fetch_add(1, std::memory_order_relaxed);
  if (packet.pts == AV_NOPTS_VALUE) {
    counters_.drop(Drop::kTimestamp);
    return std::nullopt;
  }
  PacketPtr owned(av_packet_alloc());
  if (!owned) return std::nullopt;
  av_packet_move_ref(owned.get(), &packet);
  AudioPacket audio;
  audio.track = track;
  audio.timestamp = {owned->pts, info_.audio[static_cast<size_t>(track)].time_base};
  audio.duration_ticks = owned->duration;
  audio.data = owned->data;
  audio.size_bytes = static_cast<size_t>(owned->size);
  audio.memory = std::shared_ptr<AVPacket>(std::move(owned));
  return AudioItem{std::move(audio), reader_->last_arrival()};
}

bool carries_raw_video_or_none(const AVFormatContext& context) {
  for (unsigned i = 0; i < context.nb_streams; ++i) {
    const AVCodecParameters& parameters = *context.streams[i]->codecpar;
    if (parameters.codec_type != AVMEDIA_TYPE_VIDEO) continue;
    return parameters.codec_id == AV_CODEC_ID_RAWVIDEO &&
           from_raw_tag(parameters.codec_tag) != PixelFormat::kNone;
  }
  return true;
}

}  // namespace

Result<NutInput> open_nut(std::unique_ptr<FdReader> reader, const DecodeOptions& options,
                          std::shared_ptr<ShapeControl> control, Counters& counters,
                          std::shared_ptr<FrameMemory> memory) {
  AVFormatContext* context = avformat_alloc_context();
  if (context == nullptr) return unexpected(ErrorKind::kInternal, "out of memory for a demuxer");
  // With an index the demuxer would first go to the end of the file for it.
  reader->avio()->seekable = 0;
  context->pb = reader->avio();
  // Packets as they are: anything else would hold one back to learn from the next.
  context->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_NOPARSE | AVFMT_FLAG_NOFILLIN;
  const int code = avformat_open_input(&context, nullptr, av_find_input_format("nut"), nullptr);
  InputContextPtr demuxer(code < 0 ? nullptr : context);
  if (code < 0) {
    if (reader->failure()) return unexpected(*reader->failure());
    if (reader->stop().stop_requested())
      return unexpected(ErrorKind::kCancelled, "stopped before the first frame");
    return unexpected(ErrorKind::kBadData, reader->ended() ? "the frame stream ends before its first frame"
                                                           : "the frame stream's headers are broken");
  }
  NutInput input;
  if (carries_raw_video_or_none(*demuxer)) {
    input.source = std::make_unique<NutSource>(std::move(reader), std::move(demuxer), options,
                                               std::move(control), counters, std::move(memory));
  } else {
    TRICKLE_TRY_ASSIGN(input.demuxer, wrap_av_demuxer(std::move(reader), std::move(demuxer)));
  }
  return input;
}

}  // namespace trickle
