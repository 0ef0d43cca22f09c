// A stream whose chain and side channels run in this process, for trickle::App.
#pragma once

#include "trickle/app.h"
#include "worker/stream.h"

namespace trickle::worker {

/// Options that make streams run `processor` in this process instead of the programs of the chain. It must
/// outlive the worker; only one stream may run at a time.
[[nodiscard]] StreamOptions local_stream_options(FrameProcessor& processor, const AppOptions& options);

}  // namespace trickle::worker
