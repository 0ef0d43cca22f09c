#include "media/ts_psi.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace trickle::ts {
namespace {

constexpr uint8_t kPatTable = 0x00;
constexpr uint8_t kPmtTable = 0x02;
constexpr size_t kSectionHeaderBytes = 8;  // Up to last_section_number.
constexpr size_t kCrcBytes = 4;
constexpr size_t kMaxSectionBytes = 4096;
constexpr uint8_t kStuffing = 0xff;

uint16_t read16(const uint8_t* p) { return static_cast<uint16_t>((p[0] << 8) | p[1]); }
uint16_t read_pid(const uint8_t* p) { return read16(p) & 0x1fff; }
size_t read_length12(const uint8_t* p) { return read16(p) & 0x0fff; }

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i << 24;
    for (int bit = 0; bit < 8; ++bit) value = (value << 1) ^ ((value & 0x80000000U) != 0 ? 0x04c11db7U : 0U);
    table[i] = value;
  }
  return table;
}

// Private PES data says what it is by a descriptor: registration (0x05) or one that only that codec has.
Codec codec_of_private(Bytes descriptors) {
  while (descriptors.size() >= 2) {
    const uint8_t tag = descriptors[0];
    const size_t length = descriptors[1];
    if (descriptors.size() < 2 + length) break;
    const Bytes body = descriptors.subspan(2, length);
    if (tag == 0x05 && length >= 4) {
      const std::string_view name(reinterpret_cast<const char*>(body.data()), 4);
      if (name == "Opus") return Codec::kOpus;
      if (name == "AV01") return Codec::kAv1;
      if (name == "HEVC") return Codec::kHevc;
      if (name == "VVC ") return Codec::kVvc;
      if (name == "AC-3") return Codec::kAc3;
      if (name == "EAC3") return Codec::kEac3;
      if (name == "VC-1") return Codec::kVc1;
      if (name.starts_with("DTS")) return Codec::kDts;
    }
    if (tag == 0x6a) return Codec::kAc3;
    if (tag == 0x7a) return Codec::kEac3;
    if (tag == 0x7b) return Codec::kDts;
    if (tag == 0x7c) return Codec::kAac;
    descriptors = descriptors.subspan(2 + length);
  }
  return Codec::kOther;
}

// Table 2-34, and the private values that are in common use.
Codec codec_of(uint8_t stream_type, Bytes descriptors) {
  switch (stream_type) {
    case 0x01:
      return Codec::kMpeg1Video;
    case 0x02:
      return Codec::kMpeg2Video;
    case 0x03:
    case 0x04:
      return Codec::kMpegAudio;
    case 0x0f:
      return Codec::kAac;
    case 0x10:
      return Codec::kMpeg4Video;
    case 0x11:
      return Codec::kAacLatm;
    case 0x1b:
      return Codec::kH264;
    case 0x24:
      return Codec::kHevc;
    case 0x33:
      return Codec::kVvc;
    case 0x80:
      return Codec::kPcmBluray;
    case 0x81:
      return Codec::kAc3;
    case 0x82:
    case 0x8a:
      return Codec::kDts;
    case 0x87:
      return Codec::kEac3;
    case 0xea:
      return Codec::kVc1;
    default:
      return codec_of_private(descriptors);
  }
}

}  // namespace

bool is_video(Codec codec) { return codec >= Codec::kMpeg1Video && codec <= Codec::kUnknownVideo; }
bool is_audio(Codec codec) { return codec >= Codec::kMpegAudio; }

const char* codec_name(Codec codec) {
  static constexpr std::array<const char*, 18> kNames{
      "other", "MPEG-1 video", "MPEG-2 video", "MPEG-4 video", "H.264", "HEVC",   "VVC", "AV1",  "VC-1",
      "video", "MPEG audio",   "AAC",          "AAC LATM",     "AC-3",  "E-AC-3", "DTS", "Opus", "PCM"};
  return kNames.at(static_cast<size_t>(codec));
}

uint32_t crc32_mpeg(Bytes bytes) {
  static constexpr auto kTable = make_crc_table();
  uint32_t crc = 0xffffffffU;
  for (const uint8_t byte : bytes) crc = (crc << 8) ^ kTable[(crc >> 24) ^ byte];
  return crc;
}

bool SectionAssembler::take_complete(const std::function<void(Bytes)>& on_section) {
  bool intact = true;
  while (pending_.size() >= 3 && pending_[0] != kStuffing) {
    const size_t size = 3 + read_length12(pending_.data() + 1);
    if (size > kMaxSectionBytes) {
      pending_.clear();
      collecting_ = false;
      return false;
    }
    if (pending_.size() < size) return intact;
    const Bytes section(pending_.data(), size);
    if (size >= kSectionHeaderBytes + kCrcBytes && crc32_mpeg(section) == 0) {
      on_section(section);
    } else {
      intact = false;
    }
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(size));
  }
  if (!pending_.empty() && pending_[0] == kStuffing) pending_.clear();
  if (pending_.empty()) collecting_ = false;
  return intact;
}

bool SectionAssembler::add(const Packet& packet, const std::function<void(Bytes)>& on_section) {
  if (packet.payload.empty() || packet.scrambled || packet.transport_error) return true;
  const int counter = packet.continuity_counter;
  if (counter == last_counter_ && !packet.payload_unit_start) return true;  // A repeated packet, 2.4.3.3.
  const bool in_order = last_counter_ >= 0 && counter == ((last_counter_ + 1) & 0x0f);
  last_counter_ = counter;
  bool intact = true;
  Bytes payload = packet.payload;
  if (packet.payload_unit_start) {
    const size_t pointer = payload[0];
    if (1 + pointer > payload.size()) return false;
    if (collecting_ && in_order) {
      pending_.insert(pending_.end(), payload.begin() + 1,
                      payload.begin() + 1 + static_cast<std::ptrdiff_t>(pointer));
      intact = take_complete(on_section);
    }
    pending_.clear();
    payload = payload.subspan(1 + pointer);
    collecting_ = true;
  } else if (!collecting_) {
    return true;
  } else if (!in_order) {
    pending_.clear();
    collecting_ = false;
    return false;
  }
  pending_.insert(pending_.end(), payload.begin(), payload.end());
  return take_complete(on_section) && intact;
}

ProgramTables::Change ProgramTables::add(const Packet& packet, std::span<const uint8_t, kPacketBytes> raw) {
  const auto found = tables_.find(packet.pid);
  if (found == tables_.end()) return Change::kNone;
  auto& collecting = found->second.collecting;
  // A section may end in the packet where the next one begins.
  const bool carries_over = packet.payload_unit_start && !packet.payload.empty() && packet.payload[0] > 0;
  std::vector<uint8_t> carried;
  if (carries_over) carried = collecting;
  if (packet.payload_unit_start) collecting.clear();
  if (collecting.size() < 2 * kMaxSectionBytes) collecting.insert(collecting.end(), raw.begin(), raw.end());
  bool changed = false;
  std::vector<std::vector<uint8_t>> sections;  // Copied: a new PAT may take the assembler itself away.
  const bool intact = found->second.assembler.add(
      packet, [&](Bytes section) { sections.emplace_back(section.begin(), section.end()); });
  if (!intact) ++damaged_sections_;
  for (const auto& section : sections) {
    constexpr uint8_t kCurrentNext = 0x01;
    if ((section[5] & kCurrentNext) == 0) continue;  // Announced for later.
    const auto table = tables_.find(packet.pid);
    const uint8_t expected = packet.pid == kPatPid ? kPatTable : kPmtTable;
    if (table == tables_.end() || section[0] != expected) continue;
    auto& packets = table->second.packets[packet.pid == kPatPid ? 0 : read16(&section[3])];
    packets = std::exchange(carried, {});
    packets.insert(packets.end(), table->second.collecting.begin(), table->second.collecting.end());
    changed = (packet.pid == kPatPid ? use_pat(section) : use_pmt(packet.pid, section)) || changed;
  }
  return changed ? Change::kChanged : Change::kNone;
}

bool ProgramTables::use_pat(Bytes section) {
  std::vector<Program> listed;
  const Bytes entries =
      section.subspan(kSectionHeaderBytes, section.size() - kSectionHeaderBytes - kCrcBytes);
  for (size_t at = 0; at + 4 <= entries.size(); at += 4) {
    const uint16_t number = read16(&entries[at]);
    const uint16_t pid = read_pid(&entries[at + 2]);
    if (number == 0) continue;  // The network information table.
    const auto known = std::find_if(programs_.begin(), programs_.end(), [&](const Program& program) {
      return program.number == number && program.pmt_pid == pid;
    });
    listed.push_back(known != programs_.end() ? *known
                                              : Program{.number = number, .pmt_pid = pid, .streams = {}});
  }
  if (listed == programs_) return false;
  programs_ = std::move(listed);
  std::erase_if(tables_, [&](const auto& entry) {
    return entry.first != kPatPid &&
           std::none_of(programs_.begin(), programs_.end(),
                        [&](const Program& program) { return program.pmt_pid == entry.first; });
  });
  for (const Program& program : programs_) tables_.try_emplace(program.pmt_pid);
  return true;
}

bool ProgramTables::use_pmt(uint16_t pid, Bytes section) {
  const uint16_t number = read16(&section[3]);
  const auto program = std::find_if(programs_.begin(), programs_.end(), [&](const Program& candidate) {
    return candidate.number == number && candidate.pmt_pid == pid;
  });
  constexpr size_t kFixedBytes =
      kSectionHeaderBytes + 4;  // PCR PID and program_info_length follow the header.
  if (program == programs_.end() || section.size() < kFixedBytes + kCrcBytes) return false;
  Program updated{
      .number = number, .pmt_pid = pid, .pcr_pid = read_pid(&section[8]), .complete = true, .streams = {}};
  const size_t end = section.size() - kCrcBytes;
  size_t at = kFixedBytes + read_length12(&section[10]);
  while (at + 5 <= end) {
    const size_t info_bytes = read_length12(&section[at + 3]);
    if (at + 5 + info_bytes > end) break;
    const Bytes descriptors = section.subspan(at + 5, info_bytes);
    updated.streams.push_back({.pid = read_pid(&section[at + 1]),
                               .stream_type = section[at],
                               .codec = codec_of(section[at], descriptors),
                               .descriptors = {descriptors.begin(), descriptors.end()}});
    at += 5 + info_bytes;
  }
  if (updated == *program) return false;
  *program = std::move(updated);
  return true;
}

bool ProgramTables::complete() const {
  return !programs_.empty() && std::all_of(programs_.begin(), programs_.end(),
                                           [](const Program& program) { return program.complete; });
}

bool ProgramTables::usable() const {
  return std::any_of(programs_.begin(), programs_.end(),
                     [](const Program& program) { return program.complete; });
}

std::vector<uint8_t> ProgramTables::packets() const {
  std::vector<uint8_t> all;
  if (!usable()) return all;
  all = tables_.at(kPatPid).packets.at(0);
  std::vector<const std::vector<uint8_t>*> done;  // Sections of several programs may share one packet.
  for (const Program& program : programs_) {
    if (!program.complete) continue;
    const auto& table = tables_.at(program.pmt_pid).packets.at(program.number);
    if (std::any_of(done.begin(), done.end(), [&](const auto* other) { return *other == table; })) continue;
    done.push_back(&table);
    all.insert(all.end(), table.begin(), table.end());
  }
  return all;
}

}  // namespace trickle::ts
