#include "codec/continuation.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <variant>

#include "base/log.h"
#include "base/try.h"
#include "codec/convert.h"

namespace trickle {
namespace {

constexpr Rational kTicks90k{1, 90000};
constexpr int64_t kTurn = int64_t{1} << 33;
constexpr int64_t kOverlapTicks = 90'000;
// What lasts for an unknown time; more than rounding to a coarse time base could take back.
constexpr int64_t kLeastTicks = 90;

class ContinuedSource final : public FrameSource {
 public:
  ContinuedSource(std::unique_ptr<FrameSource> source, UniqueFd file, Counters& counters)
      : source_(std::move(source)), file_(std::move(file)), counters_(counters) {}

  [[nodiscard]] const StreamInfo& info() const override { return source_->info(); }

  Result<std::optional<FrameItem>> read() override {
    while (true) {
      TRICKLE_TRY_ASSIGN(std::optional<FrameItem> item, source_->read());
      if (!item) return item;
      if (!line_) load();
      if (std::visit([this](auto& one) { return place(one); }, *item)) return item;
      counters_.drop(Drop::kTimestamp);
    }
  }

 private:
  void load() {
    TimelineRecord before;
    if (::pread(file_.get(), &before, sizeof before, 0) != sizeof before) before = {};
    line_.emplace(before);
  }

  bool place(VideoItem& item) { return place(0, item.frame.timestamp, kLeastTicks); }
  bool place(AudioItem& item) {
    const size_t track = static_cast<size_t>(std::max(item.packet.track, 0)) + 1;
    return place(track, item.packet.timestamp, duration_of(item.packet, track));
  }

  // A packet that doesn't say how long it lasts is taken to last as long as the one before it did.
  int64_t duration_of(const AudioPacket& packet, size_t track) {
    if (packet.duration_ticks > 0 || track >= starts_.size())
      return rescale(packet.duration_ticks, packet.timestamp.time_base, kTicks90k);
    const int64_t start = rescale(packet.timestamp.ticks, packet.timestamp.time_base, kTicks90k);
    const int64_t distance = start - std::exchange(starts_[track], start).value_or(start);
    return distance < kOverlapTicks ? distance : 0;
  }

  bool place(size_t track, Timestamp& timestamp, int64_t duration90k) {
    const int64_t ticks = rescale(timestamp.ticks, timestamp.time_base, kTicks90k);
    const bool jumped_before = line_->jumped();
    const auto place = line_->place(track, ticks);
    if (line_->jumped() && !jumped_before) {
      log::info("timestamps lie before those of the run before: they go on rising from there");
    }
    if (!place) return false;
    timestamp.ticks += rescale(*place - ticks, kTicks90k, timestamp.time_base);
    line_->note(track, *place + std::max(duration90k, kLeastTicks));
    save();
    return true;
  }

  void save() {
    const TimelineRecord& record = line_->record();
    const bool saved = ::pwrite(file_.get(), &record, sizeof record, 0) == sizeof record;
    if (!saved && !std::exchange(complained_, true)) log::warning("the timeline can't be remembered");
  }

  std::unique_ptr<FrameSource> source_;
  UniqueFd file_;
  Counters& counters_;
  std::optional<Continuation> line_;
  std::array<std::optional<int64_t>, TimelineRecord::kTracks> starts_;  // Of the newest packets.
  bool complained_ = false;
};

}  // namespace

void Continuation::join(int64_t ticks90k, size_t track) {
  joined_ = true;
  if (before_.known == 0) return;
  int64_t furthest = INT64_MIN;
  for (size_t i = 0; i < TimelineRecord::kTracks; ++i) {
    if ((before_.known >> i & 1) != 0) furthest = std::max(furthest, before_.ends[i]);
  }
  int64_t place = ticks90k + record_.offset;
  const auto turns = std::llround(static_cast<double>(furthest - place) / static_cast<double>(kTurn));
  record_.offset += turns * kTurn;
  place += turns * kTurn;
  const int64_t end = (before_.known >> track & 1) != 0 ? before_.ends[track] : furthest;
  if (place >= end - kOverlapTicks) return;
  jumped_ = true;
  record_.offset += furthest - place;
}

std::optional<int64_t> Continuation::place(size_t track, int64_t ticks90k) {
  if (track >= TimelineRecord::kTracks) return ticks90k + record_.offset;
  if (!joined_) join(ticks90k, track);
  const int64_t place = ticks90k + record_.offset;
  if (!caught_up_[track]) {
    if ((before_.known >> track & 1) != 0 && place < before_.ends[track]) return std::nullopt;
    caught_up_[track] = true;
  }
  return place;
}

void Continuation::note(size_t track, int64_t end90k) {
  if (track >= TimelineRecord::kTracks) return;
  const bool known = (record_.known >> track & 1) != 0;
  record_.ends[track] = known ? std::max(record_.ends[track], end90k) : end90k;
  record_.known |= int64_t{1} << track;
}

std::unique_ptr<FrameSource> continue_timeline(std::unique_ptr<FrameSource> source, UniqueFd file,
                                               Counters& counters) {
  return std::make_unique<ContinuedSource>(std::move(source), std::move(file), counters);
}

}  // namespace trickle
