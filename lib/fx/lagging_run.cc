#include "fx/lagging_run.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/once_a_second.h"
#include "base/try.h"
#include "fx/sound_packet.h"

namespace trickle::fx {
namespace {

using Clock = std::chrono::steady_clock;

// In a burst, after a pause of the input, more frames come than may wait: then the source waits as well, so
// that all of it goes through.
constexpr size_t kMostWaiting = 64;
// A source's frames may lie in a ring of few slots: more than so many that wait are copied out of it.
constexpr size_t kMostInPlace = 3;
// Sound waits as long as it must, up to some minutes of it; then the source waits.
constexpr size_t kMostSoundWaiting = 10'000;

// The caller's thread reads the source, another one runs the chain. Whoever has something for the sink locks
// it.
class LaggingRun {
 public:
  LaggingRun(FrameSource& source, const OpenSink& open_sink, LiveChain& chain, const RunOptions& options,
             Counters& counters)
      : source_(source),
        sink_(source.info(), open_sink),
        chain_(chain),
        options_(options),
        counters_(counters) {}

  Result<void> run() {
    std::thread worker([this] { work(); });
    Result<void> result = read_all();
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      changed_.notify_all();
    }
    worker.join();
    if (const auto rest = drop_reports_.rest()) log::warning("too slow: {} more frames dropped", *rest);
    if (!worked_) return worked_;
    TRICKLE_TRY(sink_.finish());
    return result;
  }

 private:
  Result<void> read_all() {
    while (true) {
      Result<std::optional<FrameItem>> item = source_.read();
      if (!item) return unexpected(std::move(item).error());
      if (!*item) return {};
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return sound_.size() < kMostSoundWaiting || failed_; });
      if (failed_) return {};
      if (auto* video = std::get_if<VideoItem>(&**item)) {
        if (frames_.size() >= kMostInPlace) video->frame = copy_of(video->frame);
        frames_.push_back({std::move(*video), Clock::now()});
      } else {
        sound_.push_back(std::get<AudioItem>(std::move(**item)));
      }
      counters_.queue_depth.store(frames_.size(), std::memory_order_relaxed);
      changed_.notify_all();
      if (stands_still()) {
        TRICKLE_TRY(show_waiting(lock));
      } else {
        make_room(lock);
      }
    }
  }

  struct Waiting {
    VideoItem item;
    Clock::time_point since;
  };

  // The chain has been at one frame for so long that viewers should see something else.
  [[nodiscard]] bool stands_still() const {
    return options_.panel_on_stall && in_chain_since_ &&
           Clock::now() - *in_chain_since_ > options_.panel_after;
  }

  void make_room(std::unique_lock<std::mutex>& lock) {
    drop_oldest();
    while (frames_.size() > kMostWaiting && !failed_) {
      changed_.wait_until(lock, frames_.front().since + options_.longest_wait,
                          [&] { return frames_.size() <= kMostWaiting || failed_; });
      drop_oldest();
    }
  }

  void drop_oldest() {
    while (frames_.size() > 1 && Clock::now() - frames_.front().since >= options_.longest_wait) {
      frames_.pop_front();
      count_drop();
    }
  }

  void count_drop() {
    counters_.drop(Drop::kLag);
    if (const auto count = drop_reports_.add(Clock::now()))
      log::warning("too slow: {} frames dropped", *count);
  }

  // In the place of the thread that is busy. `lock` is held when this is called and when it returns.
  Result<void> show_waiting(std::unique_lock<std::mutex>& lock) {
    std::deque<Waiting> frames = std::exchange(frames_, {});
    std::deque<AudioItem> sound;
    if (!chain_.processes_sound()) sound = std::exchange(sound_, {});
    lock.unlock();
    for (AudioItem& item : sound) TRICKLE_TRY(write(std::move(item)));
    for (auto& [item, since] : frames) {
      item.frame = show(item.frame);
      TRICKLE_TRY(write(std::move(item)));
    }
    lock.lock();
    return {};
  }

  void work() {
    worked_ = work_all();
    const std::lock_guard lock(mutex_);
    failed_ = !worked_;
    changed_.notify_all();
  }

  Result<void> work_all() {
    // Frames come meanwhile, and viewers see the panel if it takes long.
    {
      const std::lock_guard lock(mutex_);
      in_chain_since_ = Clock::now();
    }
    TRICKLE_TRY(chain_.load());
    out_of_chain();
    while (true) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return ended_ || !frames_.empty() || !sound_.empty(); });
      if (!sound_.empty()) {
        AudioItem item = std::move(sound_.front());
        sound_.pop_front();
        changed_.notify_all();
        lock.unlock();
        TRICKLE_TRY(take(std::move(item)));
      } else if (!frames_.empty()) {
        VideoItem item = std::move(frames_.front().item);
        frames_.pop_front();
        changed_.notify_all();
        in_chain_since_ = Clock::now();
        lock.unlock();
        TRICKLE_TRY(take(std::move(item)));
      } else {
        lock.unlock();
        return finish();
      }
    }
  }

  Result<void> take(VideoItem item) {
    made_.clear();
    if (options_.panel && options_.panel->asked_for()) {
      made_.push_back(show(item.frame));
    } else {
      chain_.process(std::move(item.frame), made_);
    }
    out_of_chain();
    return write_made(item.arrived);
  }

  VideoFrame show(const VideoFrame& frame) {
    counters_.pass_untouched(Untouched::kOverlay);
    return options_.panel->show(frame);
  }

  void out_of_chain() {
    const std::lock_guard lock(mutex_);
    in_chain_since_.reset();
  }

  Result<void> take(AudioItem item) {
    const auto track = static_cast<size_t>(item.packet.track);
    const auto& tracks = source_.info().audio;
    if (!chain_.processes_sound() || track >= tracks.size() || tracks[track].codec != "pcm_s16le") {
      return write(std::move(item));
    }
    Sounds sounds;
    chain_.process(to_sound(item.packet, tracks[track]), sounds);
    return write_sounds(sounds, item.arrived);
  }

  Result<void> finish() {
    made_.clear();
    chain_.finish(made_);
    TRICKLE_TRY(write_made(Clock::now()));
    if (!chain_.processes_sound()) return {};
    Sounds sounds;
    chain_.finish(sounds);
    return write_sounds(sounds, Clock::now());
  }

  Result<void> write_made(ArrivalTime arrived) {
    for (VideoFrame& frame : made_) TRICKLE_TRY(write(VideoItem{std::move(frame), arrived}));
    return {};
  }
  Result<void> write_sounds(const Sounds& sounds, ArrivalTime arrived) {
    for (const SoundBlock& block : sounds) TRICKLE_TRY(write(AudioItem{to_packet(block), arrived}));
    return {};
  }

  // What comes out of the chain after later frames were shown with the panel is too late.
  Result<void> write(VideoItem item) {
    const std::lock_guard lock(sink_mutex_);
    const double seconds = item.frame.timestamp.seconds();
    if (last_seconds_ && seconds <= *last_seconds_) {
      count_late();
      return {};
    }
    last_seconds_ = seconds;
    return sink_.write(std::move(item));
  }
  Result<void> write(AudioItem item) {
    const std::lock_guard lock(sink_mutex_);
    return sink_.write(std::move(item));
  }

  void count_late() {
    const std::lock_guard lock(mutex_);
    count_drop();
  }

  FrameSource& source_;
  LateSink sink_;
  LiveChain& chain_;
  const RunOptions& options_;
  Counters& counters_;

  std::mutex mutex_;  // Guards all that follows, to sink_mutex_.
  std::condition_variable changed_;
  std::deque<Waiting> frames_;
  std::deque<AudioItem> sound_;
  std::optional<Clock::time_point> in_chain_since_;
  bool ended_ = false;
  bool failed_ = false;
  OnceASecond drop_reports_;

  std::mutex sink_mutex_;  // Guards the sink; may be taken before mutex_, never after.
  std::optional<double> last_seconds_;

  Frames made_;  // Of the thread that runs the chain.
  Result<void> worked_;
};

}  // namespace

Result<void> run_lagging(FrameSource& source, const OpenSink& open_sink, LiveChain& chain,
                         const RunOptions& options, Counters& counters) {
  return LaggingRun(source, open_sink, chain, options, counters).run();
}

}  // namespace trickle::fx
