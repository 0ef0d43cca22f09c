// The vector kernel for colour stages that are tables.
#pragma once

#include "fx/curve_plan.h"
#include "trickle/frame.h"

namespace trickle::fx {

/// Reads `in` and writes `out`, which may be the same frame: YUV of 8 bits of the same format and size, any
/// strides.
void run_curve_kernel(const CurvePlan& plan, const VideoFrame& in, const VideoFrame& out);

}  // namespace trickle::fx
