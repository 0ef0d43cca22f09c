// The vector kernels that run a YuvPlan over a frame; the best one for this processor is chosen at run time.
#pragma once

#include "fx/fixed_plan.h"
#include "trickle/frame.h"

namespace trickle::fx {

/// Reads `in` and writes `out`, which may be the same frame: planes of the same format and size, any strides.
/// Takes the YUV formats and gray. Each luma sample has its own RGB, made with the chroma sample that covers
/// it (replicated, not interpolated: only so does a weak effect leave chroma as sharp as it was, however
/// often it is applied); the chroma that comes out is the mean of what its luma samples' RGB give.
void run_yuv_kernel(const YuvPlan& plan, const VideoFrame& in, const VideoFrame& out);

}  // namespace trickle::fx
