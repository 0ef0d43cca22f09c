#include "codec/pes_collector.h"

#include <utility>

namespace trickle {
namespace {

constexpr size_t kLongestPesBytes = 65535 + 6;

}  // namespace

// Checks the continuity counter. False for a repetition, which is to be passed over.
bool PesCollector::continues(const ts::Packet& packet) {
  if (packet.payload.empty()) return true;  // The counter stands still without a payload.
  const std::optional<uint8_t> last = std::exchange(last_counter_, packet.continuity_counter);
  if (!last || packet.discontinuity) return true;
  const auto steps = static_cast<uint8_t>((packet.continuity_counter - *last) & 15);
  if (steps == 0) return false;
  if (steps > 1) {
    losses_ += steps - 1U;
    unit_.damaged = true;
  }
  return true;
}

void PesCollector::add(const ts::Packet& packet, const Give& give) {
  if (packet.transport_error) {
    ++losses_;
    unit_.damaged = true;
    return;
  }
  if (!continues(packet)) return;
  if (packet.scrambled) {
    ++scrambled_;
    unit_.damaged = true;
    return;
  }
  if (packet.payload_unit_start) {
    begin(packet, give);
  } else if (open_) {
    unit_.data.insert(unit_.data.end(), packet.payload.begin(), packet.payload.end());
  } else if (closed_by_stuffing_ && !packet.payload.empty()) {
    // It was not the last one after all: this muxer stuffs elsewhere, too.
    trust_stuffing_ = false;
    closed_by_stuffing_ = false;
    ++losses_;
  }
  if (!open_) return;
  if (expected_bytes_ > 0) {
    if (unit_.data.size() >= expected_bytes_ && !may_go_on_) close(give);
  } else if (ends_by_stuffing(packet)) {
    close(give);
    closed_by_stuffing_ = true;
  }
}

// A keyframe in a single packet is rarer than a muxer that leaves room beside a keyframe's clock: until
// stuffing has been the end of something, such a one waits for what follows.
bool PesCollector::ends_by_stuffing(const ts::Packet& packet) const {
  if (!trust_stuffing_ || packet.stuffing_bytes == 0 || packet.payload.empty()) return false;
  return stuffing_proven_ || !packet.payload_unit_start || !packet.random_access;
}

void PesCollector::begin(const ts::Packet& packet, const Give& give) {
  stuffing_proven_ = stuffing_proven_ || closed_by_stuffing_;
  closed_by_stuffing_ = false;
  const std::optional<ts::PesHeader> header = ts::parse_pes_header(packet.payload);
  const bool goes_on = open_ && may_go_on_ && header && !header->pts;
  if (!goes_on) {
    close(give);
    unit_ = {};
  }
  open_ = header.has_value();
  if (!header) {
    ++losses_;
    return;
  }
  if (!goes_on) {
    unit_.pts = header->pts;
    unit_.dts = header->dts;
  }
  const size_t before = unit_.data.size();
  const ts::Bytes body = packet.payload.subspan(header->header_bytes);
  unit_.data.insert(unit_.data.end(), body.begin(), body.end());
  expected_bytes_ =
      header->packet_bytes > header->header_bytes ? before + header->packet_bytes - header->header_bytes : 0;
  may_go_on_ = header->packet_bytes >= kLongestPesBytes;
}

void PesCollector::close(const Give& give) {
  if (!open_) return;
  open_ = false;
  if (expected_bytes_ > 0 && unit_.data.size() > expected_bytes_) unit_.data.resize(expected_bytes_);
  if (expected_bytes_ > 0 && unit_.data.size() < expected_bytes_) unit_.damaged = true;
  if (!unit_.data.empty()) give(std::exchange(unit_, {}));
}

void PesCollector::finish(const Give& give) {
  close(give);
  last_counter_.reset();
}

}  // namespace trickle
