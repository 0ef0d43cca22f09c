// The NUT container (NUT specification, versions 3 and 4), read from start to end as it comes.
//
// Made for frame streams: nothing is held back, nothing is remembered of what went by, and a large payload
// goes straight where the caller wants it. Pure: bytes come from an interface. Everything that is read is
// taken for hostile: sizes are bounded, checksums checked, and damage is passed over at the next startcode.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "media/nut_headers.h"
#include "trickle/result.h"

namespace trickle {

/// Every NUT file starts with these bytes (NUT specification, "file_id_string").
inline constexpr std::string_view kNutFileId{"nut/multimedia container\0", 25};

/// Where the bytes come from.
class NutBytes {
 public:
  virtual ~NutBytes() = default;
  /// Waits for bytes and stores some. \return how many, 0 at the end; kIo.
  virtual Result<size_t> read(std::span<uint8_t> target) = 0;
};

/// One packet's head. Its data_bytes bytes are read by read_data() or passed over by the next call of next().
struct NutPacket {
  size_t track = 0;
  int64_t pts = 0;  ///< In ticks of the track's time base.
  size_t data_bytes = 0;
  /// From the side data: a new picture size, new extradata. A size is passed on as it stands there.
  std::optional<std::array<int64_t, 2>> new_size;
  std::optional<std::string> new_extradata;
};

/// Belongs to one thread.
class NutReader {
 public:
  /// \param bytes must outlive the reader.
  explicit NutReader(NutBytes& bytes);

  /// Reads up to the last track's header, and nothing that comes behind it. \return kBadData for what is no
  /// NUT file, broken, or cut short; kIo.
  Result<void> read_headers();
  [[nodiscard]] const std::vector<NutTrack>& tracks() const { return headers_.tracks(); }
  /// Every byte that was taken from the source so far, for somebody else to read them again. Only between
  /// read_headers() and the calls below.
  [[nodiscard]] std::span<const uint8_t> taken() const { return buffer_; }

  /// Waits for the next packet. \return nothing at the end; kIo. After damage it goes on at the next
  /// startcode.
  Result<std::optional<NutPacket>> next();
  /// Reads what is left of the packet's data. \param target exactly data_bytes. \return how many there were:
  /// fewer when the input was cut short; kIo.
  Result<size_t> read_data(std::span<uint8_t> target);

  /// Times that damage was passed over.
  [[nodiscard]] uint64_t damages() const { return damages_; }

 private:
  // What may follow a frame code.
  struct FrameFields {
    uint64_t coded_pts = 0;
    uint64_t size_msb = 0;
    uint64_t match_time = 0;
    uint64_t header = 0;
    uint64_t reserved = 0;
  };

  Result<bool> need(size_t size_bytes);
  Result<std::optional<uint8_t>> byte();
  Result<std::optional<uint64_t>> coded();
  Result<bool> skip(uint64_t size_bytes);
  Result<uint64_t> find_startcode();
  Result<std::optional<std::vector<uint8_t>>> packet_body();
  Result<bool> use_startcode(uint64_t startcode);
  Result<std::optional<NutPacket>> frame(uint8_t code);
  Result<bool> read_fields(uint64_t flags, FrameFields& fields);
  std::optional<uint64_t> size_of(const NutHeaders::FrameCode& code, const FrameFields& fields);
  Result<bool> side_data(NutPacket& packet, uint64_t& left, bool meta);
  Result<bool> coded_within(uint64_t& value, uint64_t& left);
  Result<bool> text_within(std::string& text, uint64_t& left);

  NutBytes& bytes_;
  std::vector<uint8_t> buffer_;  // What was read ahead; in the headers all of it.
  size_t used_ = 0;
  bool keep_all_ = true;
  uint32_t checksum_ = 0;  // Over the frame header in hand.

  NutHeaders headers_;
  uint64_t startcode_ = 0;  // One that was read already.
  std::vector<uint8_t> data_prefix_;
  uint64_t data_left_ = 0;  // Of the packet in hand, still to come.
  uint64_t damages_ = 0;
};

}  // namespace trickle
