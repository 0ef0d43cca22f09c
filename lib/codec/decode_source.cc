#include "codec/decode_source.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "base/log.h"
#include "base/try.h"
#include "codec/audio_tracks.h"
#include "codec/convert.h"
#include "codec/loss_log.h"
#include "codec/placer.h"
#include "codec/shaper.h"
#include "codec/video_decoder.h"
#include "media/turn.h"

namespace trickle {
namespace {

// Sound that comes without a picture for this long stops the wait for one.
constexpr double kPatienceSeconds = 10;
// What may be read ahead, if it is there at once, to learn what the audio tracks are.
constexpr size_t kLookaheadBytes = 512 * 1024;
// Where timestamps are known to begin below zero they are moved up as if a 33-bit counter had wrapped before.
constexpr int64_t kOneWrap = int64_t{1} << 33;

class DecodeSource final : public FrameSource {
 public:
  DecodeSource(std::unique_ptr<Demuxer> demuxer, const DecodeOptions& options,
               std::shared_ptr<ShapeControl> control, Counters& counters, std::shared_ptr<FrameMemory> memory)
      : demuxer_(std::move(demuxer)),
        options_(options),
        counters_(counters),
        memory_(std::move(memory)),
        turn_memory_(memory_ ? memory_ : make_heap_memory()),
        shaper_(options, std::move(control), counters, memory_),
        unwrapper_(demuxer_->wrap_bits(), demuxer_->seconds_below_zero() > 0 ? kOneWrap : 0),
        placer_(counters),
        audio_(options.audio, placer_, counters,
               [this](AudioItem item) { ready_.emplace_back(std::move(item)); }) {}

  Result<void> open(const StopToken& stop);
  [[nodiscard]] const StreamInfo& info() const override { return info_; }
  Result<std::optional<FrameItem>> read() override;

 private:
  void choose_tracks();
  Result<void> open_video();
  Result<void> await_first_picture();
  Result<void> look_ahead();
  void describe_video(const VideoFrame& shaped);

  Result<bool> step();
  Result<void> process(DemuxPacket packet);
  Result<void> process_video(DemuxPacket& packet);
  Result<void> take_pictures();
  Result<void> take_picture(FramePtr picture);
  Result<VideoFrame> upright(VideoFrame frame, int degrees);
  Result<void> drain_decoder();
  Result<void> finish();
  void lose_picture(const Error& error);

  std::unique_ptr<Demuxer> demuxer_;
  DecodeOptions options_;
  Counters& counters_;
  std::shared_ptr<FrameMemory> memory_;
  std::shared_ptr<FrameMemory> turn_memory_;
  PictureScaler turn_scaler_;
  Shaper shaper_;
  Unwrapper unwrapper_;
  Placer placer_;
  AudioTracks audio_;
  StreamInfo info_;

  std::optional<size_t> video_track_;
  int video_place_ = -1;
  Rational video_time_base_;
  Rational frame_rate_;
  std::unique_ptr<VideoDecoder> decoder_;
  int64_t next_picture_ticks_ = 0;

  std::deque<DemuxPacket> ahead_;  // Read, not yet processed.
  std::deque<FrameItem> ready_;
  ArrivalTime arrived_{};
  bool ended_ = false;
  bool any_picture_ = false;
  uint64_t lost_before_first_ = 0;
  LossLog lost_pictures_{"damaged video packets"};
};

void DecodeSource::choose_tracks() {
  const auto& tracks = demuxer_->tracks();
  for (size_t i = 0; i < tracks.size(); ++i) {
    const AVMediaType type = tracks[i].parameters->codec_type;
    if (type == AVMEDIA_TYPE_VIDEO && !video_track_) {
      video_track_ = i;
      video_time_base_ = tracks[i].time_base;
      frame_rate_ = tracks[i].frame_rate;
      video_place_ = placer_.add_track(tracks[i].time_base);
    } else if (type == AVMEDIA_TYPE_AUDIO) {
      audio_.add(i, tracks[i]);
    }
  }
}

Result<void> DecodeSource::open_video() {
  const DemuxTrack& track = demuxer_->tracks()[*video_track_];
  TRICKLE_TRY_ASSIGN(decoder_, VideoDecoder::open(*track.parameters, track.time_base, options_, memory_));
  return {};
}

Result<void> DecodeSource::open(const StopToken& stop) {
  choose_tracks();
  if (video_track_) TRICKLE_TRY(open_video());
  TRICKLE_TRY(await_first_picture());
  TRICKLE_TRY(look_ahead());
  if (!any_picture_ && !audio_.any_given()) {
    if (stop.stop_requested()) return unexpected(ErrorKind::kCancelled, "stopped before the first frame");
    return unexpected(ErrorKind::kBadData, "nothing in the input could be decoded");
  }
  if (!any_picture_ && video_track_) {
    log::warning("no picture could be decoded: only audio is passed on");
    decoder_.reset();
  }
  info_.audio = audio_.announce();
  return {};
}

Result<void> DecodeSource::await_first_picture() {
  while (!ended_ && (video_track_ ? !any_picture_ : !audio_.any_given())) {
    if (audio_.seconds_given() > kPatienceSeconds) return {};
    TRICKLE_TRY(step());
  }
  return {};
}

// Without waiting: what has not come yet must not hold up the picture that has.
Result<void> DecodeSource::look_ahead() {
  size_t bytes = 0;
  while (!ended_ && !audio_.all_known() && bytes < kLookaheadBytes && !demuxer_->would_wait()) {
    TRICKLE_TRY_ASSIGN(std::optional<DemuxPacket> packet, demuxer_->read());
    if (!packet) break;
    bytes += static_cast<size_t>(packet->packet->size);
    audio_.learn(*packet);
    ahead_.push_back(std::move(*packet));
  }
  return {};
}

void DecodeSource::describe_video(const VideoFrame& shaped) {
  VideoTrackInfo track{shaped.width, shaped.height, shaped.format,       video_time_base_,
                       frame_rate_,  shaped.color,  shaped.sample_aspect};
  if (!track.frame_rate.known()) track.frame_rate = decoder_->frame_rate();
  info_.video = shaper_.shaped(track);
}

Result<std::optional<FrameItem>> DecodeSource::read() {
  while (ready_.empty()) {
    if (ended_) return std::optional<FrameItem>();
    TRICKLE_TRY(step());
  }
  FrameItem item = std::move(ready_.front());
  ready_.pop_front();
  return std::optional<FrameItem>(std::move(item));
}

// Takes one packet in. False at the end of the input.
Result<bool> DecodeSource::step() {
  std::optional<DemuxPacket> packet;
  if (!ahead_.empty()) {
    packet = std::move(ahead_.front());
    ahead_.pop_front();
  } else {
    TRICKLE_TRY_ASSIGN(packet, demuxer_->read());
  }
  if (!packet) {
    TRICKLE_TRY(finish());
    return false;
  }
  TRICKLE_TRY(process(std::move(*packet)));
  return true;
}

Result<void> DecodeSource::process(DemuxPacket packet) {
  AVPacket& raw = *packet.packet;
  const Rational time_base = demuxer_->tracks()[packet.track].time_base;
  if (raw.dts != AV_NOPTS_VALUE) raw.dts = unwrapper_.unwrap(raw.dts, time_base);
  if (raw.pts != AV_NOPTS_VALUE) raw.pts = unwrapper_.unwrap(raw.pts, time_base);
  if (packet.track == video_track_) return process_video(packet);
  const size_t track = packet.track;
  audio_.process(std::move(packet), *demuxer_->tracks()[track].parameters);
  return {};
}

Result<void> DecodeSource::process_video(DemuxPacket& packet) {
  if (packet.new_parameters) {
    TRICKLE_TRY(drain_decoder());
    if (auto opened = open_video(); !opened) {
      lose_picture(opened.error());
      decoder_.reset();
      return {};
    }
  }
  if (!decoder_) {
    counters_.drop(Drop::kDamaged);
    return {};
  }
  arrived_ = packet.arrived;
  const AVPacket& raw = *packet.packet;
  if (auto sent = decoder_->send(&raw); !sent) {
    lose_picture(sent.error());
  } else if (!any_picture_ && raw.pts != AV_NOPTS_VALUE && raw.dts != AV_NOPTS_VALUE) {
    decoder_->hint_reorder(raw.pts - raw.dts, video_time_base_,
                           decoder_->frame_rate().known() ? decoder_->frame_rate() : frame_rate_);
  }
  return take_pictures();
}

void DecodeSource::lose_picture(const Error& error) {
  counters_.drop(Drop::kDamaged);
  if (!any_picture_) {
    ++lost_before_first_;  // Joined in the middle of a GOP: no damage, and one line when it is over.
    return;
  }
  lost_pictures_.add(error.to_string());
}

Result<void> DecodeSource::take_pictures() {
  while (true) {
    auto picture = decoder_->receive();
    if (!picture) {
      if (picture.error().kind() != ErrorKind::kBadData) return unexpected(std::move(picture).error());
      lose_picture(picture.error());
      continue;
    }
    if (!*picture) return {};
    TRICKLE_TRY(take_picture(*std::move(picture)));
  }
}

Result<void> DecodeSource::take_picture(FramePtr picture) {
  if (lost_before_first_ > 0) {
    log::info("{} video packets before the first keyframe were passed over",
              std::exchange(lost_before_first_, 0));
  }
  counters_.frames_in.fetch_add(1, std::memory_order_relaxed);
  const Rational rate = decoder_->frame_rate().known() ? decoder_->frame_rate() : frame_rate_;
  int64_t duration = duration_of(*picture);
  if (duration == 0 && rate.known()) duration = rescale(1, {rate.den, rate.num}, video_time_base_);
  const int64_t ticks =
      picture->best_effort_timestamp != AV_NOPTS_VALUE ? picture->best_effort_timestamp : next_picture_ticks_;
  next_picture_ticks_ = ticks + std::max<int64_t>(duration, 1);
  const auto placed = placer_.place(video_place_, ticks, duration, "a picture");
  if (!placed) return {};
  const int turn = rotation_of(*picture).value_or(demuxer_->tracks()[*video_track_].rotation);
  VideoFrame frame = view_of(std::move(picture));
  frame.timestamp = {*placed, video_time_base_};
  frame.duration_ticks = duration;
  if (frame.width < 1 || frame.height < 1) {
    lose_picture(Error(ErrorKind::kBadData, "a picture without pixels"));
    return {};
  }
  if (turn != 0) {
    TRICKLE_TRY_ASSIGN(frame, upright(std::move(frame), turn));
  }
  TRICKLE_TRY_ASSIGN(std::optional<VideoFrame> shaped, shaper_.shape(std::move(frame)));
  if (!shaped) return {};
  if (!any_picture_) describe_video(*shaped);
  any_picture_ = true;
  counters_.width.store(static_cast<uint64_t>(shaped->width), std::memory_order_relaxed);
  counters_.height.store(static_cast<uint64_t>(shaped->height), std::memory_order_relaxed);
  ready_.emplace_back(VideoItem{std::move(*shaped), arrived_});
  return {};
}

// As players show it: frames have no way to say how they are to be turned.
Result<VideoFrame> DecodeSource::upright(VideoFrame frame, int degrees) {
  if (degrees != 180 && !can_turn(frame.format)) {
    const PixelFormat even =
        pixel_format_info(frame.format).bits > 8 ? PixelFormat::kYuv444p10 : PixelFormat::kYuv444p;
    const int width = frame.width;
    const int height = frame.height;
    TRICKLE_TRY_ASSIGN(frame, turn_scaler_.convert(std::move(frame), width, height, even));
  }
  VideoFrame result = turned(frame, degrees, *turn_memory_);
  if (!result.memory) return unexpected(ErrorKind::kInternal, "out of memory for a frame");
  return result;
}

// Every picture that the decoder still holds goes out; a failure to give them is one that was lost.
Result<void> DecodeSource::drain_decoder() {
  if (!decoder_) return {};
  if (auto sent = decoder_->send(nullptr); !sent) lose_picture(sent.error());
  return take_pictures();
}

Result<void> DecodeSource::finish() {
  ended_ = true;
  TRICKLE_TRY(drain_decoder());
  audio_.finish();
  if (demuxer_->cut_short()) log::warning("the input was cut short: it ended inside a packet");
  lost_pictures_.finish();
  placer_.finish();
  return {};
}

}  // namespace

Result<std::unique_ptr<FrameSource>> open_decode_source(std::unique_ptr<Demuxer> demuxer,
                                                        const DecodeOptions& options,
                                                        std::shared_ptr<ShapeControl> control,
                                                        Counters& counters, const StopToken& stop,
                                                        std::shared_ptr<FrameMemory> memory) {
  auto source = std::make_unique<DecodeSource>(std::move(demuxer), options, std::move(control), counters,
                                               std::move(memory));
  TRICKLE_TRY(source->open(stop));
  return std::unique_ptr<FrameSource>(std::move(source));
}

}  // namespace trickle
