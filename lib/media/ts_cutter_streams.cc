// TsCutter: which streams there are, by the tables or without any, and where those that are not cut by stand.
#include <algorithm>

#include "base/log.h"
#include "media/ts_cutter.h"

namespace trickle {

void TsCutter::look_at_table(std::span<const uint8_t, ts::kPacketBytes> raw) {
  const auto packet = ts::parse_packet(raw);
  if (!packet) return;
  if (packet->payload_unit_start) {
    if (packet->pid == ts::kPatPid) {
      end_run();
      run_at_ = examined_;
    }
    if (run_at_) run_pids_.push_back(packet->pid);
  }
  if (tables_.add(*packet, raw) == ts::ProgramTables::Change::kChanged) use_programs();
}

// The streams of the newest tables: which is looked into, and which only by their lengths.
void TsCutter::use_programs() {
  kinds_.fill(Kind::kUnknown);
  kinds_[ts::kPatPid] = Kind::kTable;
  open_pes_.clear();
  const ts::ElementaryStream* clock = nullptr;
  for (const ts::Program& program : tables_.programs()) {
    kinds_[program.pmt_pid] = Kind::kTable;
    for (const ts::ElementaryStream& stream : program.streams) {
      kinds_[stream.pid] = Kind::kOther;
      const bool better = clock == nullptr || (ts::is_video(stream.codec) && !ts::is_video(clock->codec)) ||
                          (ts::is_audio(stream.codec) && clock->codec == ts::Codec::kOther);
      if (better) clock = &stream;
    }
  }
  if (clock != nullptr) use_clock_stream(*clock);
}

void TsCutter::use_clock_stream(const ts::ElementaryStream& stream) {
  kinds_[stream.pid] = Kind::kClock;
  if (stream == clock_stream_) return;
  log::info("segments are cut by the {} stream with PID {}", ts::codec_name(stream.codec), stream.pid);
  clock_stream_ = stream;
  flags_seen_ = false;
  last_time_.reset();
  unwrapper_.reset();
}

// Tables come several times a second. After one without any, the stream that shows by its PES headers will
// do.
void TsCutter::look_without_tables(std::span<const uint8_t, ts::kPacketBytes> raw) {
  if (!ts::unit_start_of(raw.data())) return;
  const auto packet = ts::parse_packet(raw);
  if (!packet || packet->pid == ts::kNullPid) return;
  const auto header = ts::parse_pes_header(packet->payload);
  if (!header || !header->decode_time()) return;
  if (clock_stream_.pid != ts::kNullPid && clock_stream_.pid == guess_.stream.pid) {  // Decided before.
    kinds_[packet->pid] = Kind::kOther;
    return look_at_other(raw);
  }
  const bool video = (header->stream_id & 0xf0) == 0xe0;
  const bool better = video && !ts::is_video(guess_.stream.codec);
  if (guess_.stream.pid == ts::kNullPid || better) {
    guess_ = {{.pid = packet->pid,
               .codec = video ? ts::Codec::kUnknownVideo : ts::Codec::kOther,
               .descriptors = {}},
              header->decode_time()};
  }
  if (guess_.stream.pid != packet->pid) return;
  const int64_t passed = *header->decode_time() - *guess_.first_time;
  if (passed >= 0 && passed < ts::kTicksPerSecond) return;
  log::warning("no PAT and PMT in the first second of the input: segments don't stand alone");
  use_clock_stream(guess_.stream);
}

// Follows how much of a PES packet is still to come, so that no segment ends inside it.
void TsCutter::look_at_other(std::span<const uint8_t, ts::kPacketBytes> raw) {
  end_run();
  if (!ts::has_payload(raw.data())) return;
  const uint16_t pid = ts::pid_of(raw.data());
  const auto open =
      std::find_if(open_pes_.begin(), open_pes_.end(), [&](const auto& pes) { return pes.pid == pid; });
  const bool starts = ts::unit_start_of(raw.data());
  if (open == open_pes_.end() && !starts) return;
  const auto packet = ts::parse_packet(raw);
  if (!packet) return;
  const int counter = packet->continuity_counter;
  if (open != open_pes_.end() && !starts) {
    if (counter == open->counter) return;           // The same packet again.
    if (counter != ((open->counter + 1) & 0x0f)) {  // A part is lost: it isn't worth waiting for its end.
      open_pes_.erase(open);
      return;
    }
  }
  size_t remaining = open != open_pes_.end() ? open->remaining_bytes : 0;
  if (starts) {
    const auto header = ts::parse_pes_header(packet->payload);
    remaining = header ? header->packet_bytes : 0;
  }
  remaining -= std::min(remaining, packet->payload.size());
  if (open == open_pes_.end()) {
    if (remaining > 0) open_pes_.push_back({pid, remaining, counter});
  } else if (remaining > 0) {
    open->remaining_bytes = remaining;
    open->counter = counter;
  } else {
    open_pes_.erase(open);
  }
}

bool TsCutter::run_has_all_tables() const {
  const auto in_run = [this](uint16_t pid) {
    return std::find(run_pids_.begin(), run_pids_.end(), pid) != run_pids_.end();
  };
  return has_tables() &&
         std::all_of(tables_.programs().begin(), tables_.programs().end(), [&](const ts::Program& program) {
           return !program.complete || in_run(program.pmt_pid);
         });
}

}  // namespace trickle
