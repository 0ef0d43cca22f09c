#include "codec/audio_tracks.h"

#include <algorithm>
#include <utility>

#include "codec/convert.h"

namespace trickle {
namespace {

// For a track whose first packet did not come in time. Its packets say what they are; only PCM takes it
// literally.
constexpr int kAssumedSampleRate = 48'000;
constexpr int kAssumedChannels = 2;

}  // namespace

void AudioTracks::add(size_t number, const DemuxTrack& from) {
  if (mode_ == AudioMode::kNone) return;
  Track track;
  track.number = number;
  track.place = placer_.add_track(from.time_base);
  track.time_base = from.time_base;
  avcodec_parameters_copy(track.parameters.get(), from.parameters.get());
  track.announced = track.parameters->codec_id;
  track.known = track.parameters->sample_rate > 0 && track.parameters->ch_layout.nb_channels > 0;
  tracks_.push_back(std::move(track));
}

AudioTracks::Track* AudioTracks::find(size_t number) {
  const auto found = std::find_if(tracks_.begin(), tracks_.end(),
                                  [&](const Track& track) { return track.number == number; });
  return found != tracks_.end() ? &*found : nullptr;
}

bool AudioTracks::all_known() const {
  return std::all_of(tracks_.begin(), tracks_.end(), [](const Track& track) { return track.known; });
}

void AudioTracks::learn(const DemuxPacket& packet) {
  if (Track* track = find(packet.track)) learn(*track, *packet.packet);
}

void AudioTracks::learn(Track& track, const AVPacket& packet) {
  if (track.known) return;
  learn_audio_parameters(*track.parameters, packet);
  track.known = track.parameters->sample_rate > 0;
}

AudioTrackInfo AudioTracks::samples_of(const Track& track) const {
  return {
      "pcm_s16le", track.parameters->sample_rate, track.parameters->ch_layout.nb_channels, track.time_base, 0,
      {}};
}

std::vector<AudioTrackInfo> AudioTracks::announce() {
  for (Track& track : tracks_) {
    AVCodecParameters& parameters = *track.parameters;
    if (parameters.sample_rate <= 0) parameters.sample_rate = kAssumedSampleRate;
    if (parameters.ch_layout.nb_channels <= 0)
      av_channel_layout_default(&parameters.ch_layout, kAssumedChannels);
    AudioTrackInfo info = samples_of(track);
    if (mode_ != AudioMode::kPcm) {
      info.codec = avcodec_get_name(parameters.codec_id);
      info.frame_size_samples = parameters.frame_size;
      info.extradata = {parameters.extradata, parameters.extradata + parameters.extradata_size};
    }
    announced_.push_back(std::move(info));
  }
  return announced_;
}

void AudioTracks::process(DemuxPacket packet, const AVCodecParameters& parameters) {
  Track* track = find(packet.track);
  if (track == nullptr) return;
  counters_.audio_in.fetch_add(1, std::memory_order_relaxed);
  if (packet.new_parameters) use_new_codec(*track, parameters);
  if (track->foreign) {
    counters_.drop(Drop::kDamaged);
    lost_.add("a frame stream's track can't change its codec");
    return;
  }
  learn(*track, *packet.packet);
  if (!give_time(*track, *packet.packet)) return;
  track->arrived = packet.arrived;
  if (mode_ == AudioMode::kPcm) {
    decode(*track, packet.packet.get());
  } else {
    pass_on(*track, std::move(packet.packet));
  }
}

// False for a packet that no time can be made up for; it was dropped.
bool AudioTracks::give_time(Track& track, AVPacket& packet) {
  if (packet.pts == AV_NOPTS_VALUE) packet.pts = packet.dts != AV_NOPTS_VALUE ? packet.dts : track.next_ticks;
  if (packet.pts == AV_NOPTS_VALUE) {
    placer_.lose("audio without a timestamp");
    return false;
  }
  track.next_ticks = packet.pts + packet.duration;
  return true;
}

void AudioTracks::pass_on(Track& track, PacketPtr packet) {
  AudioPacket audio;
  audio.timestamp = {packet->pts, track.time_base};
  audio.duration_ticks = packet->duration;
  audio.data = packet->data;
  audio.size_bytes = static_cast<size_t>(packet->size);
  audio.memory = std::shared_ptr<AVPacket>(std::move(packet));
  give(track, std::move(audio));
}

// Null: what the decoder still holds.
void AudioTracks::decode(Track& track, const AVPacket* packet) {
  if (!track.decoder) {
    AudioTrackInfo output = samples_of(track);
    if (output.sample_rate <= 0) output.sample_rate = kAssumedSampleRate;
    if (output.channels <= 0) output.channels = kAssumedChannels;
    auto opened = AudioDecoder::open(*track.parameters, output);
    if (opened) track.decoder = *std::move(opened);
  }
  Result<void> decoded = unexpected(ErrorKind::kBadData, "there is no decoder for it");
  if (track.decoder) {
    decoded = track.decoder->decode(packet, [&](AudioPacket samples) { give(track, std::move(samples)); });
  }
  if (decoded) return;
  counters_.drop(Drop::kDamaged);
  lost_.add(decoded.error().to_string());
}

// Samples stay samples, whatever they come from; copied packets must be of the codec that was announced.
void AudioTracks::use_new_codec(Track& track, const AVCodecParameters& parameters) {
  if (announced_.empty()) {  // Nobody was told yet: it is what it is now.
    avcodec_parameters_copy(track.parameters.get(), &parameters);
    track.announced = parameters.codec_id;
    track.known = false;
    return;
  }
  track.foreign = mode_ != AudioMode::kPcm && parameters.codec_id != track.announced;
  if (mode_ != AudioMode::kPcm) return;
  if (track.decoder) decode(track, nullptr);
  avcodec_parameters_copy(track.parameters.get(), &parameters);
  auto opened = AudioDecoder::open(parameters, announced_[static_cast<size_t>(&track - tracks_.data())]);
  track.decoder = opened ? *std::move(opened) : nullptr;
}

void AudioTracks::give(Track& track, AudioPacket audio) {
  const auto ticks =
      placer_.place(track.place, audio.timestamp.ticks, audio.duration_ticks, "a packet of audio");
  if (!ticks) return;
  audio.timestamp.ticks = *ticks;
  audio.track = static_cast<int>(&track - tracks_.data());
  last_seconds_ = audio.timestamp.seconds();
  if (!first_seconds_) first_seconds_ = last_seconds_;
  give_({std::move(audio), track.arrived});
}

void AudioTracks::finish() {
  for (Track& track : tracks_) {
    if (track.decoder) decode(track, nullptr);
  }
  lost_.finish();
}

}  // namespace trickle
