// The parameters of a stream: checked, complete, and applied all or none.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "fx/chain_spec.h"
#include "trickle/codec_options.h"
#include "trickle/result.h"

namespace trickle::worker {

struct StreamParams {
  std::optional<PictureSize> size;   ///< Even sides. Absent: the source's.
  std::optional<int> max_framerate;  ///< Absent: the source's.
  bool detect_out_resolution = true;
  bool show_loading = false;
  fx::ChainSpec effects;
  std::string audio = "opus";
  std::string video_codec = "libx264";
  std::optional<uint64_t> video_bitrate;
  double gop_seconds = 2;
  std::string on_lag = "drop";
  std::string overlay = "panel";
};

struct ParamsUpdate {
  StreamParams params;                ///< The whole after the update.
  std::vector<std::string> warnings;  ///< Sentences about names that nothing takes.
};

/// Applies a flat object to `current`, which stays as it is. `starting`: fields that are fixed once the
/// stream runs may be chosen. Names that nobody knows are accepted, with a warning. \return kUsage with a
/// sentence that names the field and what is allowed.
Result<ParamsUpdate> apply_params(const StreamParams& current, const nlohmann::json& update, bool starting);

}  // namespace trickle::worker
