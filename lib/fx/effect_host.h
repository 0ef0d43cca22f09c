// What effects may ask of the program they run in. lib/fx sees no media library itself: what needs one is
// given to it from above, and a program that gives nothing has only the effects that need nothing.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/counters.h"
#include "io/stop.h"
#include "media/frame_memory.h"
#include "media/frame_stream.h"
#include "media/media_graph.h"
#include "trickle/result.h"

namespace trickle::fx {

/// Converts a frame to another pixel format, its size and properties kept. Belongs to one thread at a time.
using PictureConverter = std::function<Result<VideoFrame>(VideoFrame frame, PixelFormat format)>;

/// Every member may be empty, and must be callable (or usable) from any thread.
struct EffectHost {
  /// Makes a graph of libavfilter's filters. \return kUsage with a sentence for a text that makes none.
  std::function<Result<std::unique_ptr<VideoGraph>>(const std::string& graph)> make_video_graph;
  std::function<Result<std::unique_ptr<SoundGraph>>(const std::string& graph)> make_sound_graph;

  /// Where effects best make frames, so that they need not be copied on the way out; null: the heap.
  std::shared_ptr<FrameMemory> frame_memory;

  std::function<PictureConverter()> make_converter;

  /// A frame stream (trickle-frames(5)) to and from a descriptor, which is not owned.
  std::function<Result<std::unique_ptr<FrameSink>>(int fd, const StreamInfo& info)> open_frame_sink;
  std::function<Result<std::unique_ptr<FrameSource>>(int fd, const StopToken& stop)> open_frame_source;

  /// Takes an item of an effect's for the stream's data channel, as JSON text.
  std::function<void(std::string_view json)> on_data;
  /// Takes something that happened to an effect and that somebody afar should hear of: `what` is a word
  /// ("effect_failed"), `sentence` says it to a person.
  std::function<void(std::string_view what, std::string_view sentence)> on_event;

  /// Called when so many frames or blocks of sound pass an effect unchanged.
  std::function<void(Untouched cause, uint64_t how_many)> on_untouched;

  void data(std::string_view json) const {
    if (on_data) on_data(json);
  }
  void event(std::string_view what, std::string_view sentence) const {
    if (on_event) on_event(what, sentence);
  }
  void untouched(Untouched cause, uint64_t how_many = 1) const {
    if (on_untouched) on_untouched(cause, how_many);
  }
};
using EffectHostPtr = std::shared_ptr<const EffectHost>;

}  // namespace trickle::fx
