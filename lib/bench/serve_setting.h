// What every measurement of serve_bench needs: a clip, a relay, and streams from one to the other. Private to
// lib/bench.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "bench/channel_reader.h"
#include "bench/clip.h"
#include "bench/serve_bench.h"
#include "bench/spawn.h"
#include "bench/statistics.h"
#include "bench/tcp.h"

namespace trickle::bench {

struct ServeSetting {
  const ServeBenchOptions& options;
  const StopToken& stop;
  ScratchDirectory scratch;
  std::string clip_path;
  std::vector<uint8_t> clip;
  std::vector<AccessUnit> units;
  ServerProgram relay;
  ServerAddress relay_address;

  /// Makes the clip and starts the relay, which keeps every segment.
  static Result<std::unique_ptr<ServeSetting>> make(const ServeBenchOptions& options, const StopToken& stop);
  [[nodiscard]] std::string url(const std::string& channel) const;
  [[nodiscard]] Result<void> create_channel(const std::string& channel) const;
  [[nodiscard]] Result<void> delete_channel(const std::string& channel) const;
  /// The body of a start: a stream from one channel to another, of the size of the clip.
  [[nodiscard]] nlohmann::json start_request(const std::string& id, const std::string& in,
                                             const std::string& out) const;
};

using SendTimes = std::map<int64_t, TimePoint>;

/// Hands each access unit to `write` when it is due. \return when each was, by its timestamp; kCancelled.
Result<SendTimes> feed_paced(std::span<const AccessUnit> units, const StopToken& stop,
                             const std::function<Result<void>(const AccessUnit&)>& write);

struct Delays {
  Histogram delays;    ///< Of the frames that came.
  size_t missing = 0;  ///< Frames that did not come.
};
/// What each frame took, those of the first `settling` aside. Where the timestamps are not those that were
/// sent, as many frames as came are taken for the last ones.
[[nodiscard]] Delays compare(const SendTimes& sent, const std::map<int64_t, TimePoint>& arrived,
                             std::chrono::milliseconds settling);

/// The measurements; see ServeBenchOptions::What.
Result<void> measure_start(const ServeSetting& setting);
Result<void> measure_load(const ServeSetting& setting);
Result<void> measure_capacity(const ServeSetting& setting);

}  // namespace trickle::bench
