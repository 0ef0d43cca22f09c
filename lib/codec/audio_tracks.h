// The audio half of a decode source: each track's packets passed on as they are, or made into samples.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/counters.h"
#include "codec/audio_decoder.h"
#include "codec/demuxer.h"
#include "codec/loss_log.h"
#include "codec/placer.h"
#include "media/frame_stream.h"
#include "trickle/codec_options.h"

namespace trickle {

/// Belongs to one thread.
class AudioTracks {
 public:
  using Give = std::function<void(AudioItem)>;
  /// \param placer, counters must outlive this. \param give is called for each item that is made.
  AudioTracks(AudioMode mode, Placer& placer, Counters& counters, Give give)
      : mode_(mode), placer_(placer), counters_(counters), give_(std::move(give)) {}

  /// Adds a track, unless audio is not wanted. \param number the demuxer's.
  void add(size_t number, const DemuxTrack& track);
  [[nodiscard]] bool empty() const { return tracks_.empty(); }
  /// True once rate and channels of every track are known.
  [[nodiscard]] bool all_known() const;
  /// Looks at a packet that was read ahead to learn what its track is; `process` it later.
  void learn(const DemuxPacket& packet);
  /// What the tracks are from now on; rates and channels that nobody told are assumed.
  [[nodiscard]] std::vector<AudioTrackInfo> announce();

  /// Takes one packet with unwrapped times; of tracks that were not added none.
  /// \param parameters the demuxer's for that track now.
  void process(DemuxPacket packet, const AVCodecParameters& parameters);
  /// Gives what decoders still hold, and reports losses that were held back. At the end of the input.
  void finish();

  /// True when something was given.
  [[nodiscard]] bool any_given() const { return first_seconds_.has_value(); }
  /// From the first item to the newest.
  [[nodiscard]] double seconds_given() const { return any_given() ? last_seconds_ - *first_seconds_ : 0; }

 private:
  struct Track {
    size_t number = 0;
    int place = 0;
    CodecParametersPtr parameters{avcodec_parameters_alloc()};
    Rational time_base;
    AVCodecID announced = AV_CODEC_ID_NONE;
    bool known = false;
    bool foreign = false;  // It became another codec, which can't be passed on.
    std::unique_ptr<AudioDecoder> decoder;
    int64_t next_ticks = AV_NOPTS_VALUE;
    ArrivalTime arrived{};
  };
  Track* find(size_t number);
  static void learn(Track& track, const AVPacket& packet);
  [[nodiscard]] AudioTrackInfo samples_of(const Track& track) const;
  bool give_time(Track& track, AVPacket& packet);
  void use_new_codec(Track& track, const AVCodecParameters& parameters);
  void pass_on(Track& track, PacketPtr packet);
  void decode(Track& track, const AVPacket* packet);
  void give(Track& track, AudioPacket audio);

  AudioMode mode_;
  Placer& placer_;
  Counters& counters_;
  Give give_;
  std::vector<Track> tracks_;
  std::vector<AudioTrackInfo> announced_;
  std::optional<double> first_seconds_;
  double last_seconds_ = 0;
  LossLog lost_{"damaged audio packets"};
};

}  // namespace trickle
