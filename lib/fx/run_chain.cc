#include "fx/run_chain.h"

#include <utility>
#include <vector>

#include "base/try.h"
#include "fx/lagging_run.h"
#include "fx/sound_packet.h"

namespace trickle::fx {
namespace {

class Runner {
 public:
  Runner(FrameSource& source, const OpenSink& open_sink, LiveChain& chain, const RunOptions& options,
         Counters& counters)
      : source_(source),
        sink_(source.info(), open_sink),
        chain_(chain),
        options_(options),
        counters_(counters) {}

  Result<void> run() {
    while (true) {
      Result<std::optional<FrameItem>> item = source_.read();
      if (!item || !*item) {
        TRICKLE_TRY(finish());
        return item ? Result<void>() : Result<void>(unexpected(std::move(item).error()));
      }
      TRICKLE_TRY(std::visit([this](auto& one) { return take(one); }, **item));
    }
  }

 private:
  Result<void> take(VideoItem& item) {
    frames_.clear();
    if (options_.panel && options_.panel->asked_for()) {
      counters_.pass_untouched(Untouched::kOverlay);
      frames_.push_back(options_.panel->show(item.frame));
    } else {
      chain_.process(std::move(item.frame), frames_);
    }
    return write_frames(item.arrived);
  }

  Result<void> take(AudioItem& item) {
    const auto track = static_cast<size_t>(item.packet.track);
    const auto& tracks = source_.info().audio;
    if (!chain_.processes_sound() || track >= tracks.size() || tracks[track].codec != "pcm_s16le") {
      return sink_.write(std::move(item));
    }
    sounds_.clear();
    chain_.process(to_sound(item.packet, tracks[track]), sounds_);
    return write_sounds(item.arrived);
  }

  Result<void> finish() {
    frames_.clear();
    sounds_.clear();
    chain_.finish(frames_);
    if (chain_.processes_sound()) chain_.finish(sounds_);
    TRICKLE_TRY(write_frames(std::chrono::steady_clock::now()));
    TRICKLE_TRY(write_sounds(std::chrono::steady_clock::now()));
    return sink_.finish();
  }

  Result<void> write_frames(ArrivalTime arrived) {
    for (VideoFrame& frame : frames_) TRICKLE_TRY(sink_.write(VideoItem{std::move(frame), arrived}));
    return {};
  }
  Result<void> write_sounds(ArrivalTime arrived) {
    for (const SoundBlock& block : sounds_) TRICKLE_TRY(sink_.write(AudioItem{to_packet(block), arrived}));
    return {};
  }

  FrameSource& source_;
  LateSink sink_;
  LiveChain& chain_;
  const RunOptions& options_;
  Counters& counters_;
  Frames frames_;
  Sounds sounds_;
};

}  // namespace

Result<void> run_chain(FrameSource& source, const OpenSink& open_sink, LiveChain& chain,
                       const RunOptions& options, Counters& counters) {
  if (options.drop_on_lag) return run_lagging(source, open_sink, chain, options, counters);
  TRICKLE_TRY(chain.load());
  return Runner(source, open_sink, chain, options, counters).run();
}

}  // namespace trickle::fx
