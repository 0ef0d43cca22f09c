// MPEG-TS demuxed without delay: each picture and each audio frame as soon as its last transport packet is
// in.
#pragma once

#include <memory>

#include "base/counters.h"
#include "codec/demuxer.h"

namespace trickle {

/// Waits until a program's tables are known. Losses are counted as Drop::kDamaged.
/// \return kBadData when the input ends without any, kCancelled after a stop.
Result<std::unique_ptr<Demuxer>> open_ts_demuxer(std::unique_ptr<FdReader> reader, Counters& counters);

}  // namespace trickle
