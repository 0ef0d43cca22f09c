// What is done to a stream: the class that a user of the library writes.
//
// Threads: load() is called once, before the first stream, on a thread of its own or the one that runs the
// client. Everything from on_stream_start() to on_stream_stop() is called on one thread, one call at a time;
// it is no network thread, so a call may take as long as it needs: frames that come meanwhile wait or are
// dropped (and counted) as the client's options say. emit_data() and emit_event() may be called from any
// thread.
//
// Errors: a function that returns an error or throws never ends the stream. A frame that failed passes
// unchanged, is counted as failed, and the events channel hears of it, once a second at most. Only load() and
// on_stream_start() are allowed to refuse a stream.
#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "trickle/audio_frame.h"
#include "trickle/export.h"
#include "trickle/frame.h"
#include "trickle/params.h"
#include "trickle/result.h"

namespace trickle {

/// What becomes of one frame: another one, several, nothing, or nothing yet.
class VideoOutput {
 public:
  enum class Kind {
    kFrames,    ///< These are passed on, in this order; their timestamps should rise.
    kNone,      ///< The frame is left out of the stream (counted as such).
    kWithheld,  ///< The processor is not ready: the frame is shown as it came, and after a while the Overlay.
  };
  // NOLINTBEGIN(google-explicit-constructor): `return frame;` is the point.
  VideoOutput(VideoFrame frame) { frames_.push_back(std::move(frame)); }
  VideoOutput(std::vector<VideoFrame> frames) : frames_(std::move(frames)) {}
  // NOLINTEND(google-explicit-constructor)
  static VideoOutput none() { return VideoOutput(Kind::kNone); }
  static VideoOutput withheld() { return VideoOutput(Kind::kWithheld); }

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] std::vector<VideoFrame>& frames() { return frames_; }

 private:
  explicit VideoOutput(Kind kind) : kind_(kind) {}
  Kind kind_ = Kind::kFrames;
  std::vector<VideoFrame> frames_;
};

/// What viewers see of frames that a processor has withheld for 1.5 s, and while `show_loading` is on.
enum class Overlay {
  kPanel,        ///< A dark panel over the frame, with a message and a progress bar.
  kPassthrough,  ///< The frames as they came.
  kNone,         ///< The same, but `show_loading` brings the panel.
};

using AudioOutput = std::vector<AudioFrame>;

class TRICKLE_API FrameProcessor {
 public:
  FrameProcessor();
  virtual ~FrameProcessor();
  FrameProcessor(const FrameProcessor&) = delete;
  FrameProcessor& operator=(const FrameProcessor&) = delete;

  /// Loads what takes long: a model. \return why the processor can't be used at all.
  virtual Result<void> load() { return {}; }

  /// A stream begins; `params` are those of the start request. \return why it can't.
  virtual Result<void> on_stream_start(const Params& params);
  /// Parameters changed; holds from the next frame on. Of several changes between two frames one call brings
  /// the newest values.
  virtual Result<void> update_params(const Params& params);
  /// The stream is over, however it ended. Follows each successful on_stream_start().
  virtual void on_stream_stop() {}

  /// True when frames are changed in place: they then come writable() (copied where a decoder still needs
  /// them). Asked once for each stream.
  [[nodiscard]] virtual bool edits_in_place() const { return false; }
  /// One frame of video. Timing, colour properties and user data stay with a frame that is changed in place
  /// or made by with_tensor(), to_format() and their like.
  virtual Result<VideoOutput> process_video(VideoFrame frame);

  /// False: sound passes compressed and untouched. True: it is decoded, given to process_audio() as float
  /// samples, and encoded again. Asked once for each stream.
  [[nodiscard]] virtual bool processes_audio() const { return false; }
  /// A few milliseconds of sound. \return what takes its place, as long as what was given (else sound and
  /// picture drift apart), with the same rate and channels; an empty list is silence by omission.
  virtual Result<AudioOutput> process_audio(AudioFrame frame);

 protected:
  /// Adds an item to the stream's data channel: any JSON value. \return false when no stream runs or it is no
  /// JSON.
  bool emit_data(std::string_view json);
  /// Publishes an event: a JSON object; "type" and "timestamp" are added where they are missing. \return as
  /// emit_data().
  bool emit_event(std::string_view json);

 private:
  friend class ProcessorHost;
  struct TRICKLE_HIDDEN Link;
  std::shared_ptr<Link> link_;
};

/// Where adapt() looks for what a callable may be turned into; torch.h adds functions on tensors.
struct AdaptTag {};

using VideoFunction = std::function<Result<VideoOutput>(VideoFrame)>;
using AudioFunction = std::function<Result<AudioOutput>(AudioFrame)>;

/// A callable as a step of processing. `in_place` is true when it wants a writable frame.
struct VideoStep {
  VideoFunction function;
  bool in_place = false;
};

/// void(VideoFrame&): changes the frame in place.
template <typename F>
requires std::is_invocable_r_v<void, F&, VideoFrame&> &&(!std::is_invocable_v<F&, VideoFrame>)VideoStep
    adapt(AdaptTag, F f) {
  return {[f = std::move(f)](VideoFrame frame) mutable -> Result<VideoOutput> {
            f(frame);
            return VideoOutput(std::move(frame));
          },
          true};
}
/// VideoFrame(VideoFrame), VideoOutput(VideoFrame) or Result<VideoOutput>(VideoFrame).
template <typename F>
requires std::is_invocable_r_v<Result<VideoOutput>, F&, VideoFrame> ||
    std::is_invocable_r_v<VideoOutput, F&, VideoFrame> VideoStep adapt(AdaptTag, F f) {
  return {[f = std::move(f)](VideoFrame frame) mutable -> Result<VideoOutput> {
            if constexpr (std::is_invocable_r_v<VideoOutput, F&, VideoFrame>) {
              return Result<VideoOutput>(VideoOutput(f(std::move(frame))));
            } else {
              return f(std::move(frame));
            }
          },
          false};
}

}  // namespace trickle
