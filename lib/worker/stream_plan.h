// Which programs make up the chain of a stream, with which options.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "pipeline/stage.h"
#include "worker/start_request.h"

namespace trickle::worker {

struct PlanOptions {
  std::chrono::milliseconds start_timeout{10'000};  ///< How long a subscribe channel may be missing.
  std::string token;                                ///< For the trickle servers; empty: none.
  bool insecure = false;                            ///< Accept any TLS certificate of theirs.
  bool public_only = false;  ///< Connect to no private address, whatever their names resolve to.
};

inline constexpr const char* kSubProgram = "trickle-sub";
inline constexpr const char* kDecodeProgram = "trickle-decode";
inline constexpr const char* kFxProgram = "trickle-fx";
inline constexpr const char* kEncodeProgram = "trickle-encode";
inline constexpr const char* kPubProgram = "trickle-pub";

/// sub | decode | fx | encode | pub. Without a publish URL the chain ends at fx (what processors say still
/// reaches the data channel); without a subscribe URL it is pub alone, which keeps the channel open until the
/// stop. A restarted chain goes on at the next segment of the input and of the output.
std::vector<pipeline::StagePlan> plan_stream(const StartRequest& request, const StreamParams& params,
                                             const PlanOptions& options, bool restarted);

/// decode | fx | encode of a stream with these effects, all else being as it is by default: for whoever
/// starts them before their stream.
std::vector<pipeline::StagePlan> plan_spare(const fx::ChainSpec& effects);

/// What a running trickle-fx is told when the effects change, and, where that matters, whether the loading
/// panel is shown: one line of JSON.
[[nodiscard]] std::string fx_control_line(const StreamParams& params, bool panel_matters);

/// What a running trickle-decode is told when the size or rate changes: one line of JSON.
[[nodiscard]] std::string decode_control_line(const StreamParams& params);

}  // namespace trickle::worker
