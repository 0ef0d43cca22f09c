// What a running tool counts about itself: the source of --stats, of the status line and of /metrics.
//
// Stages hold a reference to their process's Counters and add to it as they go. Every function may be called
// from any thread at any time; adding costs one relaxed atomic operation.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace trickle {

/// Why something that came in did not go out. The names (drop_name) are part of the --stats format.
enum class Drop : uint8_t {
  kLag,        ///< Too slow for the source, and dropping was allowed.
  kRate,       ///< Above --max-fps.
  kDamaged,    ///< Could not be decoded or parsed.
  kFailed,     ///< Sent, but not acknowledged.
  kTimestamp,  ///< Had no usable timestamp.
  kCount,
};
[[nodiscard]] std::string_view drop_name(Drop cause);

/// Why a frame (or a block of sound) went out without what an effect should have done to it. The names
/// (untouched_name) are part of the --stats format.
enum class Untouched : uint8_t {
  kFailed,     ///< An effect failed on it.
  kRestarted,  ///< It was in a program that ended or hung.
  kOverlay,    ///< The loading panel, or what stands for it, was shown instead.
  kCount,
};
[[nodiscard]] std::string_view untouched_name(Untouched cause);

/// A histogram of durations in 128 buckets, each 11 % above the one before (8 µs to 7.5 s): percentiles are
/// exact within those 11 %, and rounded up.
class LatencyHistogram {
 public:
  void record(std::chrono::nanoseconds latency);
  /// The latency that `fraction` (0 to 1) of the records since the start did not exceed; zero without
  /// records.
  [[nodiscard]] std::chrono::microseconds percentile(double fraction) const;

 private:
  static constexpr size_t kBuckets = 128;
  std::array<std::atomic<uint64_t>, kBuckets> buckets_{};
};

struct Counters {
  std::atomic<uint64_t> frames_in{0};
  std::atomic<uint64_t> frames_out{0};
  std::atomic<uint64_t> audio_in{0};  ///< Audio packets or frames.
  std::atomic<uint64_t> audio_out{0};
  std::atomic<uint64_t> bytes_in{0};
  std::atomic<uint64_t> bytes_out{0};
  std::atomic<uint64_t> segments_in{0};
  std::atomic<uint64_t> segments_out{0};
  std::atomic<int64_t> segment{-1};  ///< Number of the segment in hand, -1 before the first.
  std::atomic<uint64_t> queue_depth{0};
  std::atomic<uint64_t> gaps{0};
  std::atomic<uint64_t> restarts{0};
  std::atomic<uint64_t> width{0};  ///< Of the newest video frame, in pixels; 0 before the first.
  std::atomic<uint64_t> height{0};
  LatencyHistogram latency;

  void drop(Drop cause, uint64_t how_many = 1);
  [[nodiscard]] uint64_t drops(Drop cause) const;
  [[nodiscard]] uint64_t drops_total() const;

  void pass_untouched(Untouched cause, uint64_t how_many = 1);
  [[nodiscard]] uint64_t untouched(Untouched cause) const;

  void set_last_error(std::string sentence);
  [[nodiscard]] std::string last_error() const;

 private:
  std::array<std::atomic<uint64_t>, static_cast<size_t>(Drop::kCount)> drops_{};
  std::array<std::atomic<uint64_t>, static_cast<size_t>(Untouched::kCount)> untouched_{};
  mutable std::mutex last_error_mutex_;
  std::string last_error_;
};

}  // namespace trickle
