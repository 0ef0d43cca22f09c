#include "codec/nut_source.h"

#include <array>
#include <optional>
#include <utility>

#include "base/log.h"
#include "base/once_a_second.h"
#include "base/try.h"
#include "codec/convert.h"
#include "codec/nut_codec.h"
#include "codec/picture_note.h"
#include "codec/shaper.h"
#include "media/shm_link.h"

namespace trickle {
namespace {

constexpr int64_t kMaxSide = 16384;
// No packet of sound is longer; one that says so is damaged.
constexpr size_t kLargestAudio = 4 << 20;

class ReaderBytes final : public NutBytes {
 public:
  explicit ReaderBytes(FdReader& reader) : reader_(reader) {}
  Result<size_t> read(std::span<uint8_t> target) override {
    return reader_.read(std::as_writable_bytes(target));
  }

 private:
  FdReader& reader_;
};

std::string_view text_of(const std::vector<uint8_t>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class NutSource final : public FrameSource {
 public:
  NutSource(std::unique_ptr<FdReader> reader, std::unique_ptr<ReaderBytes> bytes,
            std::unique_ptr<NutReader> nut, const DecodeOptions& options,
            std::shared_ptr<ShapeControl> control, Counters& counters,
            const std::shared_ptr<FrameMemory>& memory)
      : reader_(std::move(reader)),
        bytes_(std::move(bytes)),
        nut_(std::move(nut)),
        memory_(memory ? memory : make_heap_memory()),
        shaper_(options, std::move(control), counters, memory),
        keep_audio_(options.audio != AudioMode::kNone),
        counters_(counters) {}

  Result<void> open();
  [[nodiscard]] const StreamInfo& info() const override { return info_; }
  Result<std::optional<FrameItem>> read() override;

 private:
  void take_offer(std::string_view note);
  void describe();
  Result<std::optional<FrameItem>> end();
  Result<std::optional<FrameItem>> item_of(const NutPacket& packet);
  Result<std::optional<FrameItem>> picture_of(const NutPacket& packet);
  Result<VideoFrame> frame_of(const NutPacket& packet);
  Result<VideoFrame> frame_in_slot(std::span<const uint8_t> bytes);
  Result<std::optional<FrameItem>> audio_of(const NutPacket& packet, int track);
  std::optional<FrameItem> lose(Drop cause, std::string_view why);
  void note_damage();
  void take_changes(const NutPacket& packet);

  std::unique_ptr<FdReader> reader_;
  std::unique_ptr<ReaderBytes> bytes_;
  std::unique_ptr<NutReader> nut_;
  std::shared_ptr<FrameMemory> memory_;
  Shaper shaper_;
  bool keep_audio_;
  Counters& counters_;
  StreamInfo info_;
  std::optional<size_t> video_;
  std::vector<int> audio_track_of_;
  int width_ = 0;
  int height_ = 0;
  PixelFormat format_ = PixelFormat::kNone;
  PictureNote note_;
  std::unique_ptr<LinkReader> link_;
  std::optional<NutPacket> first_;  // Read to learn what stands before it.
  uint64_t damages_ = 0;
  OnceASecond damage_;
};

// The offer first: then even the first picture need not come through the pipe.
Result<void> NutSource::open() {
  for (size_t i = 0; i < nut_->tracks().size() && !video_; ++i) {
    if (nut_->tracks()[i].kind == NutTrack::Kind::kVideo) video_ = i;
  }
  if (video_) take_offer(text_of(nut_->tracks()[*video_].extradata));
  TRICKLE_TRY_ASSIGN(first_, nut_->next());
  describe();
  return {};
}

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
  for (size_t i = 0; i < nut_->tracks().size(); ++i) {
    const NutTrack& track = nut_->tracks()[i];
    audio_track_of_.push_back(-1);
    if (i == video_) {
      width_ = track.width;
      height_ = track.height;
      format_ = from_raw_tag(track.codec_tag);
      note_.sample_aspect = track.sample_aspect;
      if (auto note = parse_picture_note(text_of(track.extradata))) note_ = *note;
      info_.video = shaper_.shaped(
          {width_, height_, format_, track.time_base, track.frame_rate, note_.color, note_.sample_aspect});
    } else if (track.kind == NutTrack::Kind::kAudio && keep_audio_) {
      audio_track_of_.back() = static_cast<int>(info_.audio.size());
      info_.audio.push_back({avcodec_get_name(audio_codec_of(track)), track.sample_rate, track.channels,
                             track.time_base, 0, track.extradata});
    }
  }
}

Result<std::optional<FrameItem>> NutSource::read() {
  while (true) {
    std::optional<NutPacket> packet = std::exchange(first_, std::nullopt);
    if (!packet) {
      TRICKLE_TRY_ASSIGN(packet, nut_->next());
    }
    note_damage();
    if (!packet) return end();
    TRICKLE_TRY_ASSIGN(std::optional<FrameItem> item, item_of(*packet));
    if (item) return item;
  }
}

Result<std::optional<FrameItem>> NutSource::end() {
  if (auto held_back = damage_.rest()) log::warning("{} more damaged frames were dropped", *held_back);
  if (link_ && !link_->ended_well() && !reader_->stop().stop_requested()) {
    return unexpected(ErrorKind::kIo, "the program that wrote the frames died");
  }
  return std::optional<FrameItem>();
}

void NutSource::note_damage() {
  for (; damages_ < nut_->damages(); ++damages_) lose(Drop::kDamaged, "the frame stream is damaged");
}

std::optional<FrameItem> NutSource::lose(Drop cause, std::string_view why) {
  counters_.drop(cause);
  if (auto count = damage_.add(std::chrono::steady_clock::now())) {
    log::warning("{} (dropped: {})", why, *count);
  }
  return std::nullopt;
}

Result<std::optional<FrameItem>> NutSource::item_of(const NutPacket& packet) {
  if (packet.track == video_) return picture_of(packet);
  const int track = audio_track_of_[packet.track];
  if (track < 0) return std::optional<FrameItem>();
  return audio_of(packet, track);
}

void NutSource::take_changes(const NutPacket& packet) {
  if (packet.new_size) {
    const auto [width, height] = *packet.new_size;
    if (width > 0 && height > 0 && width <= kMaxSide && height <= kMaxSide) {
      width_ = static_cast<int>(width);
      height_ = static_cast<int>(height);
      log::info("frames are {}x{} from here", width_, height_);
    }
  }
  if (packet.new_extradata) {
    if (auto note = parse_picture_note(*packet.new_extradata)) note_ = *note;
  }
}

Result<VideoFrame> NutSource::frame_in_slot(std::span<const uint8_t> bytes) {
  const std::optional<SlotDescriptor> descriptor = parse_descriptor(bytes);
  if (!descriptor || descriptor->format != format_ || descriptor->width != width_ ||
      descriptor->height != height_) {
    return unexpected(ErrorKind::kBadData, "a frame's descriptor is broken");
  }
  return link_->open(*descriptor);
}

// The pixels, which are in the packet or where its descriptor says. kBadData concerns this frame only.
Result<VideoFrame> NutSource::frame_of(const NutPacket& packet) {
  const size_t picture_bytes = packed_picture_bytes(format_, width_, height_);
  if (link_ && packet.data_bytes == SlotDescriptor::kBytes) {
    std::array<uint8_t, SlotDescriptor::kBytes> bytes{};
    TRICKLE_TRY_ASSIGN(const size_t count, nut_->read_data(bytes));
    if (count == bytes.size() && is_descriptor(bytes)) return frame_in_slot(bytes);
    if (picture_bytes > bytes.size()) return unexpected(ErrorKind::kBadData, "a frame is incomplete");
    VideoFrame tiny = make_video_frame(format_, width_, height_);
    std::copy_n(bytes.begin(), picture_bytes, tiny.planes[0].data);
    return tiny;
  }
  if (packet.data_bytes < picture_bytes) return unexpected(ErrorKind::kBadData, "a frame is incomplete");
  std::shared_ptr<uint8_t> piece = memory_->take(picture_bytes);
  if (!piece) return unexpected(ErrorKind::kInternal, "out of memory for a frame");
  uint8_t* data = piece.get();
  TRICKLE_TRY_ASSIGN(const size_t count, nut_->read_data(std::span(data, picture_bytes)));
  if (count < picture_bytes) return unexpected(ErrorKind::kBadData, "the last frame was cut short");
  VideoFrame frame = wrap_packed_picture(format_, width_, height_, data, std::move(piece));
  frame.exclusive = true;
  return frame;
}

Result<std::optional<FrameItem>> NutSource::picture_of(const NutPacket& packet) {
  take_changes(packet);
  counters_.frames_in.fetch_add(1, std::memory_order_relaxed);
  Result<VideoFrame> opened = frame_of(packet);
  if (!opened && opened.error().kind() == ErrorKind::kInternal) return unexpected(std::move(opened).error());
  if (!opened) return lose(Drop::kDamaged, opened.error().to_string());
  VideoFrame frame = *std::move(opened);
  frame.color = note_.color;
  frame.field_order = note_.field_order;
  frame.sample_aspect = note_.sample_aspect;
  frame.timestamp = {packet.pts, info_.video->time_base};
  TRICKLE_TRY_ASSIGN(std::optional<VideoFrame> shaped, shaper_.shape(std::move(frame)));
  if (!shaped) return std::optional<FrameItem>();
  counters_.width.store(static_cast<uint64_t>(shaped->width), std::memory_order_relaxed);
  counters_.height.store(static_cast<uint64_t>(shaped->height), std::memory_order_relaxed);
  return std::optional<FrameItem>(VideoItem{std::move(*shaped), reader_->last_arrival()});
}

Result<std::optional<FrameItem>> NutSource::audio_of(const NutPacket& packet, int track) {
  counters_.audio_in.fetch_add(1, std::memory_order_relaxed);
  if (packet.data_bytes > kLargestAudio)
    return lose(Drop::kDamaged, "a packet of audio is too large to be one");
  auto bytes = std::make_shared<std::vector<uint8_t>>(packet.data_bytes + AV_INPUT_BUFFER_PADDING_SIZE);
  TRICKLE_TRY_ASSIGN(const size_t count, nut_->read_data(std::span(*bytes).first(packet.data_bytes)));
  if (count < packet.data_bytes) return lose(Drop::kDamaged, "the last packet of audio was cut short");
  AudioPacket audio;
  audio.track = track;
  audio.timestamp = {packet.pts, info_.audio[static_cast<size_t>(track)].time_base};
  audio.data = bytes->data();
  audio.size_bytes = packet.data_bytes;
  audio.memory = std::move(bytes);
  return std::optional<FrameItem>(AudioItem{std::move(audio), reader_->last_arrival()});
}

// True for a file whose first video track is raw in a format of ours, and whose audio we know by name.
bool is_for_us(const std::vector<NutTrack>& tracks) {
  bool have_video = false;
  for (const NutTrack& track : tracks) {
    const bool first_video = track.kind == NutTrack::Kind::kVideo && !std::exchange(have_video, true);
    if (first_video && from_raw_tag(track.codec_tag) == PixelFormat::kNone) return false;
    if (track.kind == NutTrack::Kind::kAudio && audio_codec_of(track) == AV_CODEC_ID_NONE) return false;
  }
  return true;
}

// For anything else that NUT can carry.
Result<std::unique_ptr<Demuxer>> open_foreign(std::unique_ptr<FdReader> reader) {
  AVFormatContext* context = avformat_alloc_context();
  if (context == nullptr) return unexpected(ErrorKind::kInternal, "out of memory for a demuxer");
  reader->avio()->seekable = 0;
  context->pb = reader->avio();
  context->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_NOPARSE | AVFMT_FLAG_NOFILLIN;
  if (const int code = avformat_open_input(&context, nullptr, av_find_input_format("nut"), nullptr);
      code < 0) {
    return av_unexpected(ErrorKind::kBadData, "the NUT file's headers are broken", code);
  }
  return wrap_av_demuxer(std::move(reader), InputContextPtr(context));
}

Unexpected not_opened(const FdReader& reader, const Error& error) {
  if (reader.stop().stop_requested()) {
    return unexpected(ErrorKind::kCancelled, "stopped before the first frame");
  }
  return unexpected(error);
}

}  // namespace

Result<NutInput> open_nut(std::unique_ptr<FdReader> reader, const DecodeOptions& options,
                          std::shared_ptr<ShapeControl> control, Counters& counters,
                          std::shared_ptr<FrameMemory> memory) {
  auto bytes = std::make_unique<ReaderBytes>(*reader);
  auto nut = std::make_unique<NutReader>(*bytes);
  if (auto headers = nut->read_headers(); !headers) return not_opened(*reader, headers.error());
  NutInput input;
  if (!is_for_us(nut->tracks())) {
    reader->unread(std::as_bytes(nut->taken()));
    TRICKLE_TRY_ASSIGN(input.demuxer, open_foreign(std::move(reader)));
    return input;
  }
  const StopToken stop = reader->stop();
  auto source = std::make_unique<NutSource>(std::move(reader), std::move(bytes), std::move(nut), options,
                                            std::move(control), counters, memory);
  TRICKLE_TRY(source->open());
  if (stop.stop_requested() && source->info().video) {
    return unexpected(ErrorKind::kCancelled, "stopped before the first frame");
  }
  input.source = std::move(source);
  return input;
}

}  // namespace trickle
