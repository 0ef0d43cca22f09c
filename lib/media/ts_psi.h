// Program specific information: which programs and elementary streams a transport stream carries
// (ISO/IEC 13818-1, 2.4.4). Sections may span packets, share them, and change version.
//
// Nothing here is thread-safe; each object belongs to one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "media/ts_packet.h"

namespace trickle::ts {

/// What an elementary stream carries, from its stream_type and, for private types, its descriptors.
enum class Codec : uint8_t {
  kOther,  ///< Subtitles, data, or something we don't know.
  kMpeg1Video,
  kMpeg2Video,
  kMpeg4Video,
  kH264,
  kHevc,
  kVvc,
  kAv1,
  kVc1,
  kUnknownVideo,  ///< Its PES packets say video, and nothing says more.
  kMpegAudio,     ///< MPEG-1 or -2 audio, layers 1 to 3.
  kAac,           ///< ADTS.
  kAacLatm,
  kAc3,
  kEac3,
  kDts,
  kOpus,
  kPcmBluray,
};
[[nodiscard]] bool is_video(Codec codec);
[[nodiscard]] bool is_audio(Codec codec);
/// "H.264", "AAC", … for logs.
[[nodiscard]] const char* codec_name(Codec codec);

struct ElementaryStream {
  uint16_t pid = kNullPid;
  uint8_t stream_type = 0;
  Codec codec = Codec::kOther;
  std::vector<uint8_t> descriptors;  ///< As in the PMT.
  bool operator==(const ElementaryStream&) const = default;
};

struct Program {
  uint16_t number = 0;
  uint16_t pmt_pid = kNullPid;
  uint16_t pcr_pid = kNullPid;
  bool complete = false;                  ///< Its PMT has been seen; the fields below are valid.
  std::vector<ElementaryStream> streams;  ///< In the order of the PMT.
  bool operator==(const Program&) const = default;
};

/// CRC of sections (annex A); 0 over a whole section that is intact.
[[nodiscard]] uint32_t crc32_mpeg(Bytes bytes);

/// Puts the sections of one PID together.
class SectionAssembler {
 public:
  /// Takes the packet's payload. Calls `on_section` for each complete section with a correct CRC; the bytes
  /// are valid during the call. \return false when something damaged was thrown away.
  bool add(const Packet& packet, const std::function<void(Bytes)>& on_section);

 private:
  bool take_complete(const std::function<void(Bytes)>& on_section);
  std::vector<uint8_t> pending_;
  bool collecting_ = false;
  int last_counter_ = -1;
};

/// Follows PAT and PMTs, and keeps the packets that carried them so that they can be repeated.
class ProgramTables {
 public:
  enum class Change {
    kNone,     ///< Not a table, the same table again, or not complete yet.
    kChanged,  ///< programs() is different from before this packet.
  };
  /// Looks at one packet, which may be of any PID. `raw` are its kPacketBytes bytes.
  Change add(const Packet& packet, std::span<const uint8_t, kPacketBytes> raw);

  /// In the order of the PAT.
  [[nodiscard]] const std::vector<Program>& programs() const { return programs_; }
  /// True when the PAT and every PMT it lists have been seen.
  [[nodiscard]] bool complete() const;
  /// True when the PAT and a PMT that it lists have been seen.
  [[nodiscard]] bool usable() const;
  /// True for the PIDs of the PAT and of the PMTs.
  [[nodiscard]] bool is_table(uint16_t pid) const { return pid == kPatPid || tables_.contains(pid); }
  /// The packets of the newest complete PAT, then those of each PMT that was seen: what a segment must begin
  /// with. A multiple of kPacketBytes; empty unless usable().
  [[nodiscard]] std::vector<uint8_t> packets() const;
  /// Sections that were thrown away because they were damaged.
  [[nodiscard]] uint64_t damaged_sections() const { return damaged_sections_; }

 private:
  struct Table {
    SectionAssembler assembler;
    std::vector<uint8_t> collecting;  ///< Packets since the last section start.
    /// Those of the newest complete section of each program: several may share a PID. The PAT's is 0.
    std::map<uint16_t, std::vector<uint8_t>> packets;
  };
  bool use_pat(Bytes section);
  bool use_pmt(uint16_t pid, Bytes section);

  std::map<uint16_t, Table> tables_{{kPatPid, {}}};
  std::vector<Program> programs_;
  uint64_t damaged_sections_ = 0;
};

}  // namespace trickle::ts
