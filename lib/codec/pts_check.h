// Tells a timestamp that was damaged on its way from one that jumped: the program clock is the witness.
#pragma once

#include <cstdint>
#include <optional>

#include "media/ts_pes.h"

namespace trickle {

/// The program clock as it comes in. Belongs to one thread.
class ProgramClock {
 public:
  /// \param base 33 bits of 1/90000 s.
  void set(int64_t base, bool discontinuity) {
    const bool runs_on =
        now_ && !discontinuity && ahead(base, *now_) >= 0 && ahead(base, *now_) < kLongestStep;
    if (!runs_on) ++line_;
    now_ = base;
  }
  [[nodiscard]] std::optional<int64_t> now() const { return now_; }
  /// Another number whenever the clock has jumped.
  [[nodiscard]] uint32_t line() const { return line_; }

  /// a - b, the short way round the wrap.
  [[nodiscard]] static int64_t ahead(int64_t a, int64_t b) {
    int64_t step = (a - b) % ts::kTimestampWrap;
    if (step >= ts::kTimestampWrap / 2) step -= ts::kTimestampWrap;
    if (step < -ts::kTimestampWrap / 2) step += ts::kTimestampWrap;
    return step;
  }

 private:
  static constexpr int64_t kLongestStep = 10 * ts::kTicksPerSecond;
  std::optional<int64_t> now_;
  uint32_t line_ = 0;
};

/// For one stream: times keep a steady lead over the clock. Belongs to one thread.
class PtsCheck {
 public:
  /// False for a time whose lead is suddenly another one while the clock runs on: it was damaged. When the
  /// next one has the same new lead, it was no damage.
  bool plausible(int64_t decode_time, const ProgramClock& clock) {
    if (!clock.now()) return true;
    const int64_t lead = ProgramClock::ahead(decode_time, *clock.now());
    const bool same_line = line_ == clock.line();
    const auto close_to = [&](const std::optional<int64_t>& other) {
      return other && lead - *other <= kMostWander && *other - lead <= kMostWander;
    };
    if (same_line && lead_ && !close_to(lead_) && !close_to(suspect_)) {
      suspect_ = lead;
      return false;
    }
    lead_ = lead;
    line_ = clock.line();
    suspect_.reset();
    return true;
  }

 private:
  // Half a second: what buffers of constant bit rate make of it.
  static constexpr int64_t kMostWander = ts::kTicksPerSecond / 2;
  std::optional<int64_t> lead_;
  std::optional<int64_t> suspect_;
  uint32_t line_ = 0;
};

}  // namespace trickle
