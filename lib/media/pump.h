// The driver of a filter that changes nothing: everything that a source gives goes to a sink.
#pragma once

#include <optional>
#include <utility>

#include "base/try.h"
#include "media/frame_stream.h"

namespace trickle {

/// Runs until the source ends, then finishes the sink. When the source fails, what the sink holds is still
/// written and the source's error returned.
inline Result<void> pump(FrameSource& source, FrameSink& sink) {
  while (true) {
    Result<std::optional<FrameItem>> item = source.read();
    if (!item) {
      const Result<void> finished = sink.finish();
      return finished ? Result<void>(unexpected(std::move(item).error())) : finished;
    }
    if (!*item) return sink.finish();
    TRICKLE_TRY(sink.write(std::move(**item)));
  }
}

}  // namespace trickle
