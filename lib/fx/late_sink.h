// A sink that is opened by what is written to it: only then is it known what comes out of a chain.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/try.h"
#include "media/frame_stream.h"

namespace trickle::fx {

/// Opens the sink, once it is known what comes out.
using OpenSink = std::function<Result<std::unique_ptr<FrameSink>>(const StreamInfo& info)>;

/// Belongs to one thread at a time.
class LateSink {
 public:
  LateSink(const StreamInfo& info, OpenSink open) : info_(info), open_(std::move(open)) {}

  Result<void> write(VideoItem item) {
    if (!sink_) {
      if (info_.video) describe(item.frame, *info_.video);
      TRICKLE_TRY(open());
    }
    return sink_->write(std::move(item));
  }

  Result<void> write(AudioItem item) {
    if (sink_) return sink_->write(std::move(item));
    early_.push_back(std::move(item));
    return info_.video && early_.size() < kMostEarlySound ? Result<void>() : open();
  }

  Result<void> finish() {
    if (!sink_) TRICKLE_TRY(open());
    return sink_->finish();
  }

 private:
  // Sound that comes before the first picture is held back for that many packets: some ten seconds.
  static constexpr size_t kMostEarlySound = 500;

  static void describe(const VideoFrame& frame, VideoTrackInfo& track) {
    track.width = frame.width;
    track.height = frame.height;
    track.format = frame.format;
    track.color = frame.color;
    track.sample_aspect = frame.sample_aspect;
  }

  Result<void> open() {
    TRICKLE_TRY_ASSIGN(sink_, open_(info_));
    for (AudioItem& item : std::exchange(early_, {})) TRICKLE_TRY(sink_->write(std::move(item)));
    return {};
  }

  StreamInfo info_;
  OpenSink open_;
  std::unique_ptr<FrameSink> sink_;
  std::vector<AudioItem> early_;
};

}  // namespace trickle::fx
