// The cutter on any bytes in any pieces: it never fails, and what it passes on is the input but for what it
// says. The same input is cut at the same places whatever its pieces.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "media/ts_cutter.h"
#include "media/ts_probe.h"

namespace {

struct CountingSink final : trickle::SegmentSink {
  trickle::Result<void> begin_segment() override {
    ++segments;
    return {};
  }
  trickle::Result<void> write(std::span<const uint8_t> bytes) override {
    written_bytes += bytes.size();
    return {};
  }
  uint64_t segments = 0;
  uint64_t written_bytes = 0;
};

// Where segments begin in what is written, when the input comes in pieces of this size. The clock stands
// still.
std::vector<uint64_t> cuts(std::span<const uint8_t> input, size_t piece) {
  struct Cuts final : trickle::SegmentSink {
    trickle::Result<void> begin_segment() override {
      at.push_back(written_bytes);
      return {};
    }
    trickle::Result<void> write(std::span<const uint8_t> bytes) override {
      written_bytes += bytes.size();
      return {};
    }
    std::vector<uint64_t> at;
    uint64_t written_bytes = 0;
  } sink;
  trickle::FakeClock clock;
  trickle::TsCutter cutter(
      {.min_segment = std::chrono::milliseconds(0), .max_segment = std::chrono::milliseconds(900)}, clock);
  for (; !input.empty(); input = input.subspan(std::min(piece, input.size()))) {
    if (!cutter.add(input.first(std::min(piece, input.size())), sink)) std::abort();
  }
  if (!cutter.finish(sink)) std::abort();
  sink.at.push_back(sink.written_bytes);
  return sink.at;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  trickle::FakeClock clock;
  trickle::TsCutter cutter(
      {.min_segment = std::chrono::milliseconds(200), .max_segment = std::chrono::milliseconds(900)}, clock);
  CountingSink sink;
  const std::span<const uint8_t> input(data, size);
  // The first byte chooses the size of the pieces, so that each split is reached by some input.
  const size_t piece = size == 0 ? 1 : 1 + size_t{data[0]} * 7;
  for (size_t at = 0; at < size; at += piece) {
    if (!cutter.add(input.subspan(at, std::min(piece, size - at)), sink)) std::abort();
    clock.advance(std::chrono::milliseconds(10));
  }
  if (!cutter.finish(sink)) std::abort();
  const auto& totals = cutter.totals();
  if (sink.written_bytes + totals.skipped_bytes != size + totals.inserted_bytes) std::abort();
  if (sink.segments != totals.segments) std::abort();
  trickle::ts::TsProbe probe;
  probe.add(input);
  [[maybe_unused]] const auto streams = probe.streams();
  for (const auto codec :
       {trickle::ts::Codec::kH264, trickle::ts::Codec::kHevc, trickle::ts::Codec::kMpeg2Video}) {
    [[maybe_unused]] const auto found =
        trickle::ts::find_video_size(codec, input.first(std::min<size_t>(size, 3000)));
  }
  if (size > 0 && cuts(input, size) != cuts(input, piece)) std::abort();
  return 0;
}
