#include "integration/stream_difference.h"

#include <algorithm>
#include <vector>

namespace trickle::testing {
namespace {

constexpr size_t kSure = 16;         // So many bytes stand in one place only.
constexpr size_t kAccident = 2;      // So many may happen to be the same in two places.
constexpr int kShortBeginnings = 3;  // In a row, of segments of which less came than makes sure.

class Comparer {
 public:
  Comparer(std::string_view in, std::string_view out, size_t segment_bytes)
      : in_(in),
        out_(out),
        segment_bytes_(segment_bytes),
        taken_((in.size() + segment_bytes - 1) / segment_bytes) {}

  Comparison compare() {
    if (!place(0, 0, kShortBeginnings)) return {std::nullopt, understood_};
    Difference left_out;
    bool whole_before = true;
    for (size_t index = 0; index < taken_.size(); ++index) {
      const size_t missing = segment(index).size() - taken_[index];
      left_out.missing_bytes += missing;
      // What follows the end of a run without a byte in between is the same run.
      if (missing > 0 && (whole_before || taken_[index] > 0)) ++left_out.missing_runs;
      whole_before = missing == 0;
    }
    return {left_out, understood_};
  }

 private:
  [[nodiscard]] std::string_view segment(size_t index) const {
    return in_.substr(index * segment_bytes_, segment_bytes_);
  }
  [[nodiscard]] size_t same_bytes(size_t at, size_t index) const {
    const std::string_view rest = out_.substr(at);
    const std::string_view wanted = segment(index);
    return static_cast<size_t>(std::mismatch(rest.begin(), rest.end(), wanted.begin(), wanted.end()).first -
                               rest.begin());
  }

  // Whether what came out from `at` on is made of the segments from `first` on.
  bool place(size_t at, size_t first, int short_left) {
    const size_t whole_from = first;
    for (; first < taken_.size() && same_bytes(at, first) == segment(first).size(); ++first) {
      at += segment(first).size();
      short_left = kShortBeginnings;
    }
    understood_ = std::max(understood_, at);
    if (at < out_.size() && !place_sure_one(at, first, short_left) && !place_short_one(at, first, short_left))
      return false;
    for (size_t index = whole_from; index < first; ++index) taken_[index] = segment(index).size();
    return true;
  }

  // The one segment whose beginning surely stands at `at`. Where it breaks off, the next one may happen to
  // begin with what it would have gone on with.
  bool place_sure_one(size_t at, size_t first, int short_left) {
    for (size_t index = first; index < taken_.size(); ++index) {
      const size_t same = same_bytes(at, index);
      if (same < std::min({kSure, out_.size() - at, segment(index).size()})) continue;
      for (size_t taken = same; taken > 0 && taken + kAccident >= same; --taken) {
        if (place_rest(at, index, taken, taken >= kSure ? kShortBeginnings : short_left)) return true;
      }
      return false;
    }
    return false;
  }

  bool place_short_one(size_t at, size_t first, int short_left) {
    for (size_t index = first; short_left > 0 && index < taken_.size(); ++index) {
      const size_t same = std::min(same_bytes(at, index), kSure - 1);
      for (size_t taken = same; taken > 0 && taken + kAccident >= same; --taken) {
        if (place_rest(at, index, taken, short_left - 1)) return true;
      }
    }
    return false;
  }

  bool place_rest(size_t at, size_t index, size_t taken, int short_left) {
    understood_ = std::max(understood_, at + taken);
    if (!place(at + taken, index + 1, short_left)) return false;
    taken_[index] = taken;
    return true;
  }

  const std::string_view in_;
  const std::string_view out_;
  const size_t segment_bytes_;
  std::vector<size_t> taken_;  ///< Of each segment, how much came out.
  size_t understood_ = 0;
};

}  // namespace

Comparison compare_streams(std::string_view in, std::string_view out, size_t segment_bytes) {
  return Comparer(in, out, segment_bytes).compare();
}

}  // namespace trickle::testing
