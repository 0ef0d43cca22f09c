// Transport packets of one elementary stream put together to PES packets, each given as soon as it can be
// known to be whole.
//
// A picture is whole when the length in its PES header is reached; where none is given (the rule for video),
// when the adaptation field of a packet carries stuffing, which is how muxers fill up the last packet of a
// picture; else when the next one begins.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "media/ts_packet.h"
#include "media/ts_pes.h"

namespace trickle {

/// Belongs to one thread.
class PesCollector {
 public:
  struct Unit {
    std::vector<uint8_t> data;   ///< Elementary stream bytes, without the PES header.
    std::optional<int64_t> pts;  ///< 33 bits, 90 kHz.
    std::optional<int64_t> dts;
    bool damaged = false;  ///< Packets in it are missing.
  };
  using Give = std::function<void(Unit)>;

  /// Takes the next packet of the stream; `give` is called for what is whole now.
  void add(const ts::Packet& packet, const Give& give);
  /// Gives what is left. At the end of the input, or when the stream's PID changes.
  void finish(const Give& give);

  /// Packets that are missing by their continuity counters, or known to be damaged, since the last call.
  [[nodiscard]] uint64_t take_losses() { return std::exchange(losses_, 0); }
  /// Packets whose content is scrambled since the last call: they were passed over.
  [[nodiscard]] uint64_t take_scrambled() { return std::exchange(scrambled_, 0); }
  /// True inside a PES packet whose length is known.
  [[nodiscard]] bool inside() const { return open_ && expected_bytes_ > 0; }

 private:
  bool continues(const ts::Packet& packet);
  void begin(const ts::Packet& packet, const Give& give);
  [[nodiscard]] bool ends_by_stuffing(const ts::Packet& packet) const;
  void close(const Give& give);

  Unit unit_;
  bool open_ = false;
  size_t expected_bytes_ = 0;  // 0: unknown.
  bool may_go_on_ = false;     // As long as a PES packet can be: the next one may continue it.
  bool closed_by_stuffing_ = false;
  bool trust_stuffing_ = true;
  bool stuffing_proven_ = false;  // It was the end at least once.
  std::optional<uint8_t> last_counter_;
  uint64_t losses_ = 0;
  uint64_t scrambled_ = 0;
};

}  // namespace trickle
