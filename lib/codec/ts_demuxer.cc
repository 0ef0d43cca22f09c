#include "codec/ts_demuxer.h"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <utility>

#include "base/log.h"
#include "base/try.h"
#include "codec/convert.h"
#include "codec/loss_log.h"
#include "codec/packet_splitter.h"
#include "codec/pes_collector.h"
#include "codec/pts_check.h"
#include "codec/ts_codecs.h"
#include "media/ts_packet.h"
#include "media/ts_psi.h"
#include "media/ts_resync.h"

namespace trickle {
namespace {

constexpr Rational kTicks90k{1, 90000};
// In a stream of several programs the tables of one may never come: the first with a picture is taken by
// then.
constexpr uint64_t kPatienceBytes = 1'000'000;

const char* kind_of(const ts::ElementaryStream& stream) {
  return ts::is_video(stream.codec) ? "video" : "audio";
}

bool has_video(const ts::Program& program) {
  return std::any_of(program.streams.begin(), program.streams.end(),
                     [](const auto& stream) { return ts::is_video(stream.codec); });
}

bool has_media(const ts::Program& program) {
  return std::any_of(program.streams.begin(), program.streams.end(), [](const auto& stream) {
    return ts::is_video(stream.codec) || ts::is_audio(stream.codec);
  });
}

// One track's way from transport packets to packets.
struct Path {
  explicit Path(const ts::ElementaryStream& es) : stream(es), splitter(av_codec_of(es.codec)) {}
  ts::ElementaryStream stream;
  PesCollector collector;
  PacketSplitter splitter;
  PtsCheck times;
  bool new_parameters = false;
};

class TsDemuxer final : public Demuxer {
 public:
  TsDemuxer(std::unique_ptr<FdReader> reader, Counters& counters)
      : reader_(std::move(reader)), counters_(counters) {}

  Result<void> open();
  [[nodiscard]] const std::vector<DemuxTrack>& tracks() const override { return tracks_; }
  [[nodiscard]] int wrap_bits() const override { return 33; }
  [[nodiscard]] bool would_wait() const override {
    return ready_.empty() && bytes_.size() - used_ < ts::kPacketBytes && !reader_->ready_now();
  }
  [[nodiscard]] bool cut_short() const override { return cut_short_; }
  Result<std::optional<DemuxPacket>> read() override;

 private:
  Result<bool> advance();
  Result<bool> fill();
  std::optional<size_t> to_skip() const;
  void take_packet(std::span<const uint8_t, ts::kPacketBytes> raw);
  const ts::Program* choose_program() const;
  void use_program(const ts::Program& program);
  void follow_program();
  void assign(size_t track, const ts::ElementaryStream& stream);
  void deliver(size_t track, PesCollector::Unit unit);
  void give(size_t track, PacketPtr packet);
  void drain(size_t track);
  void finish();
  void count_losses(Path& path);

  std::unique_ptr<FdReader> reader_;
  Counters& counters_;
  std::vector<uint8_t> bytes_;
  size_t used_ = 0;
  uint64_t examined_bytes_ = 0;
  bool ended_ = false;
  bool cut_short_ = false;
  ts::ProgramTables tables_;
  std::optional<uint16_t> program_number_;
  uint16_t clock_pid_ = ts::kNullPid;
  ProgramClock clock_;
  std::vector<DemuxTrack> tracks_;
  std::vector<Path> paths_;            // One for each track.
  std::map<uint16_t, size_t> by_pid_;  // Numbers of tracks.
  std::deque<DemuxPacket> ready_;
  LossLog lost_packets_{"transport packets"};
  LossLog lost_scrambled_{"scrambled packets"};
  LossLog lost_times_{"timestamps"};
  LossLog lost_bytes_{"bytes between transport packets"};
};

Result<void> TsDemuxer::open() {
  while (!program_number_) {
    TRICKLE_TRY_ASSIGN(const bool more, advance());
    const ts::Program* program = choose_program();
    const bool wait = program != nullptr && !tables_.complete() && examined_bytes_ < kPatienceBytes && more;
    if (program != nullptr && !wait) use_program(*program);
    if (more || program_number_) continue;
    if (reader_->stop().stop_requested()) {
      return unexpected(ErrorKind::kCancelled, "stopped before the first frame");
    }
    return unexpected(ErrorKind::kBadData, "the transport stream has no program with video or audio");
  }
  return {};
}

// The first program with a picture, else the first with sound, of those whose tables are complete.
const ts::Program* TsDemuxer::choose_program() const {
  const auto& programs = tables_.programs();
  auto found = std::find_if(programs.begin(), programs.end(),
                            [](const auto& program) { return program.complete && has_video(program); });
  if (found == programs.end()) {
    found = std::find_if(programs.begin(), programs.end(),
                         [](const auto& program) { return program.complete && has_media(program); });
  }
  return found != programs.end() ? &*found : nullptr;
}

void TsDemuxer::use_program(const ts::Program& program) {
  program_number_ = program.number;
  clock_pid_ = program.pcr_pid;
  const auto add = [this](const ts::ElementaryStream& stream) {
    by_pid_[stream.pid] = tracks_.size();
    tracks_.push_back({parameters_of(stream), kTicks90k, {}, 0});
    paths_.emplace_back(stream);
  };
  const auto video = std::find_if(program.streams.begin(), program.streams.end(),
                                  [](const auto& stream) { return ts::is_video(stream.codec); });
  if (video != program.streams.end()) add(*video);
  for (const auto& stream : program.streams) {
    if (ts::is_audio(stream.codec)) add(stream);
  }
}

// The tables changed: tracks keep their numbers and go on with the streams that stand in their places now.
void TsDemuxer::follow_program() {
  const auto& programs = tables_.programs();
  const auto same = std::find_if(programs.begin(), programs.end(), [this](const auto& program) {
    return program.complete && program.number == *program_number_ && has_media(program);
  });
  const ts::Program* program = same != programs.end() ? &*same : choose_program();
  if (program == nullptr) return;
  program_number_ = program->number;
  clock_pid_ = program->pcr_pid;
  by_pid_.clear();
  size_t next_audio = 0;
  while (next_audio < tracks_.size() && tracks_[next_audio].parameters->codec_type != AVMEDIA_TYPE_AUDIO)
    ++next_audio;
  bool video_taken = next_audio == 0;
  for (const auto& stream : program->streams) {
    if (ts::is_video(stream.codec) && !video_taken) {
      assign(0, stream);
      video_taken = true;
    } else if (ts::is_audio(stream.codec) && next_audio < tracks_.size()) {
      assign(next_audio++, stream);
    } else if (ts::is_audio(stream.codec)) {
      log::info("audio on PID {} came too late to be a track of its own: it is left out", stream.pid);
    }
  }
  for (const Path& path : paths_) {
    if (!by_pid_.contains(path.stream.pid)) {
      log::info("{} on PID {} is no longer announced: it ends here", kind_of(path.stream), path.stream.pid);
    }
  }
}

void TsDemuxer::assign(size_t track, const ts::ElementaryStream& stream) {
  by_pid_[stream.pid] = track;
  Path& path = paths_[track];
  if (path.stream == stream) return;
  log::info("{} is {} on PID {} from here (was {} on PID {})", kind_of(stream), ts::codec_name(stream.codec),
            stream.pid, ts::codec_name(path.stream.codec), path.stream.pid);
  drain(track);
  const bool new_codec = path.stream.codec != stream.codec;
  path = Path(stream);
  path.new_parameters = new_codec;
  if (new_codec) tracks_[track].parameters = parameters_of(stream);
}

Result<std::optional<DemuxPacket>> TsDemuxer::read() {
  while (ready_.empty()) {
    if (ended_) return std::optional<DemuxPacket>();
    TRICKLE_TRY_ASSIGN(const bool more, advance());
    if (!more) finish();
  }
  DemuxPacket packet = std::move(ready_.front());
  ready_.pop_front();
  return std::optional(std::move(packet));
}

Result<bool> TsDemuxer::fill() {
  bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<ptrdiff_t>(used_));
  used_ = 0;
  TRICKLE_TRY_ASSIGN(const std::span<const std::byte> chunk, reader_->read_chunk());
  const auto* data = reinterpret_cast<const uint8_t*>(chunk.data());
  bytes_.insert(bytes_.end(), data, data + chunk.size());
  return !chunk.empty();
}

// Bytes before the next packet: 0 where one begins, nothing when more bytes are needed to tell.
std::optional<size_t> TsDemuxer::to_skip() const {
  const ts::Bytes view = ts::Bytes(bytes_).subspan(used_);
  const bool begins_right = view[0] == ts::kSyncByte;
  const auto sync_at = [&](size_t at) { return view.size() <= at || view[at] == ts::kSyncByte; };
  if (begins_right && (sync_at(ts::kPacketBytes) || sync_at(2 * ts::kPacketBytes))) return 0;
  const std::optional<size_t> offset = ts::find_sync(begins_right ? view.subspan(1) : view, reader_->ended());
  return offset ? std::optional(*offset + (begins_right ? 1 : 0)) : std::nullopt;
}

// Looks at one packet. False at the end of the input.
Result<bool> TsDemuxer::advance() {
  while (true) {
    const size_t available = bytes_.size() - used_;
    if (available >= ts::kPacketBytes) {
      const std::optional<size_t> skip = to_skip();
      if (skip == size_t{0}) break;
      if (skip) {
        lost_bytes_.add("not in step with the packets", *skip);
        used_ += std::min(*skip, available);
        continue;
      }
    }
    TRICKLE_TRY_ASSIGN(const bool more, fill());
    if (!more) {
      cut_short_ = available > 0;
      return false;
    }
  }
  take_packet(std::span<const uint8_t, ts::kPacketBytes>(&bytes_[used_], ts::kPacketBytes));
  used_ += ts::kPacketBytes;
  examined_bytes_ += ts::kPacketBytes;
  return true;
}

void TsDemuxer::take_packet(std::span<const uint8_t, ts::kPacketBytes> raw) {
  const std::optional<ts::Packet> packet = ts::parse_packet(raw);
  if (!packet) {
    counters_.drop(Drop::kDamaged);
    lost_packets_.add("their headers are damaged");
    return;
  }
  if (tables_.add(*packet, raw) == ts::ProgramTables::Change::kChanged && program_number_) follow_program();
  if (packet->pcr && packet->pid == clock_pid_) clock_.set(*packet->pcr / 300, packet->discontinuity);
  const auto found = by_pid_.find(packet->pid);
  if (found == by_pid_.end()) return;
  const size_t track = found->second;
  paths_[track].collector.add(*packet, [&](PesCollector::Unit unit) { deliver(track, std::move(unit)); });
  count_losses(paths_[track]);
}

void TsDemuxer::count_losses(Path& path) {
  if (const uint64_t scrambled = path.collector.take_scrambled(); scrambled > 0) {
    counters_.drop(Drop::kDamaged, scrambled);
    lost_scrambled_.add("nobody gave us their key", scrambled);
  }
  const uint64_t losses = path.collector.take_losses();
  if (losses == 0) return;
  counters_.drop(Drop::kDamaged, losses);
  lost_packets_.add("missing or damaged, by their continuity counters", losses);
}

void TsDemuxer::deliver(size_t track, PesCollector::Unit unit) {
  Path& path = paths_[track];
  if (unit.pts && !path.times.plausible(unit.dts.value_or(*unit.pts), clock_)) {
    lost_times_.add("damaged: the program clock says otherwise");
    unit.pts = unit.dts = std::nullopt;
  }
  path.splitter.split(unit, [&](PacketPtr packet) { give(track, std::move(packet)); });
}

void TsDemuxer::give(size_t track, PacketPtr packet) {
  const bool new_parameters = std::exchange(paths_[track].new_parameters, false);
  ready_.push_back({track, std::move(packet), reader_->last_arrival(), new_parameters});
}

// Gives what is in the way to `track`, whose stream ends here.
void TsDemuxer::drain(size_t track) {
  paths_[track].collector.finish([&](PesCollector::Unit unit) { deliver(track, std::move(unit)); });
  paths_[track].splitter.finish([&](PacketPtr packet) { give(track, std::move(packet)); });
}

void TsDemuxer::finish() {
  ended_ = true;
  for (size_t track = 0; track < paths_.size(); ++track) {
    cut_short_ = cut_short_ || paths_[track].collector.inside();
    drain(track);
    count_losses(paths_[track]);
  }
  lost_packets_.finish();
  lost_scrambled_.finish();
  lost_times_.finish();
  lost_bytes_.finish();
}

}  // namespace

Result<std::unique_ptr<Demuxer>> open_ts_demuxer(std::unique_ptr<FdReader> reader, Counters& counters) {
  auto demuxer = std::make_unique<TsDemuxer>(std::move(reader), counters);
  TRICKLE_TRY(demuxer->open());
  return std::unique_ptr<Demuxer>(std::move(demuxer));
}

}  // namespace trickle
