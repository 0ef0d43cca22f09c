#include "pipeline/processor_host.h"

#include <fmt/format.h>

#include <chrono>
#include <cstring>
#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/json_depth.h"
#include "base/log.h"
#include "base/try.h"

namespace trickle {
namespace {

// Whatever user code throws becomes an error, named after the function it came from.
template <typename F>
auto guarded(const char* function, F f) -> decltype(f()) {
  try {
    auto result = f();
    if (!result) {
      return unexpected(result.error().kind(), fmt::format("{}: {}", function, result.error().to_string()));
    }
    return result;
  } catch (const std::exception& exception) {
    return unexpected(ErrorKind::kInternal, fmt::format("{}: {}", function, exception.what()));
  } catch (...) {
    return unexpected(ErrorKind::kInternal, fmt::format("{}: an exception of an unknown type", function));
  }
}

void copy_pixels(const VideoFrame& from, VideoFrame& to) {
  for (int p = 0; p < pixel_format_info(from.format).planes; ++p) {
    const auto plane = static_cast<size_t>(p);
    const size_t bytes = plane_row_bytes(from.format, p, from.width);
    for (int y = 0; y < plane_rows(from.format, p, from.height); ++y) {
      std::memcpy(to.planes[plane].data + y * to.planes[plane].stride_bytes,
                  from.planes[plane].data + y * from.planes[plane].stride_bytes, bytes);
    }
  }
}

Result<void> check(const VideoFrame& frame) {
  constexpr int kLargestSide = 16384;
  const bool sides_fit =
      frame.width > 0 && frame.height > 0 && frame.width <= kLargestSide && frame.height <= kLargestSide;
  bool planes_fit = frame.format != PixelFormat::kNone && frame.memory != nullptr;
  for (int p = 0; p < pixel_format_info(frame.format).planes; ++p) {
    planes_fit = planes_fit && frame.planes[static_cast<size_t>(p)].data != nullptr;
  }
  if (sides_fit && planes_fit) return {};
  return unexpected(ErrorKind::kUsage, "process_video: it returned a frame without a picture");
}

Result<void> check(const AudioFrame& out, const AudioFrame& in) {
  if (out.channels == in.channels && out.sample_rate == in.sample_rate && (out.memory || out.samples == 0)) {
    return {};
  }
  return unexpected(ErrorKind::kUsage, "process_audio: rate and channels must stay what they are");
}

}  // namespace

FrameProcessor::FrameProcessor() : link_(std::make_shared<Link>()) {}
FrameProcessor::~FrameProcessor() = default;
Result<void> FrameProcessor::on_stream_start(const Params&) { return {}; }
Result<void> FrameProcessor::update_params(const Params&) { return {}; }
Result<VideoOutput> FrameProcessor::process_video(VideoFrame frame) { return VideoOutput(std::move(frame)); }
Result<AudioOutput> FrameProcessor::process_audio(AudioFrame frame) { return AudioOutput{std::move(frame)}; }

bool FrameProcessor::emit_data(std::string_view json) {
  if (!nlohmann::json::accept(json)) return false;
  const std::lock_guard lock(link_->mutex);
  if (link_->outlet != nullptr) link_->outlet->emit_data(std::string(json));
  return link_->outlet != nullptr;
}

bool FrameProcessor::emit_event(std::string_view json) {
  if (is_too_deep_json(json) || !nlohmann::json::parse(json, nullptr, false).is_object()) return false;
  const std::lock_guard lock(link_->mutex);
  if (link_->outlet != nullptr) link_->outlet->emit_event(std::string(json));
  return link_->outlet != nullptr;
}

ProcessorHost::ProcessorHost(FrameProcessor& processor, ProcessorOutlet& outlet, Overlay overlay,
                             std::function<void(const std::string&)> on_failure, const Clock& clock)
    : processor_(processor),
      outlet_(outlet),
      overlay_(overlay),
      on_failure_(std::move(on_failure)),
      clock_(clock),
      panel_(overlay == Overlay::kPassthrough ? fx::LoadingPanel::Mode::kPassthrough
                                              : fx::LoadingPanel::Mode::kPanel) {}

ProcessorHost::~ProcessorHost() { attach(nullptr); }

void ProcessorHost::attach(ProcessorOutlet* outlet) {
  const std::lock_guard lock(processor_.link_->mutex);
  // Another host may be the one that runs it by now.
  if (outlet != nullptr || processor_.link_->outlet == &outlet_) processor_.link_->outlet = outlet;
}

Result<void> ProcessorHost::load(FrameProcessor& processor) {
  const std::lock_guard lock(processor.link_->load_mutex);
  if (processor.link_->loaded) return {};
  TRICKLE_TRY(guarded("load", [&] { return processor.load(); }));
  processor.link_->loaded = true;
  return {};
}

Result<void> ProcessorHost::start(const Params& params) {
  TRICKLE_TRY(panel_.take_update(params.json()));
  attach(&outlet_);
  const auto started = guarded("on_stream_start", [&] {
    in_place_ = processor_.edits_in_place();
    audio_ = processor_.processes_audio();
    return processor_.on_stream_start(params);
  });
  started_ = started.has_value();
  last_given_ = clock_.now();
  if (!started) attach(nullptr);
  return started;
}

void ProcessorHost::update(const Params& params) {
  const auto rest = panel_.take_update(params.json());
  if (!rest) return failed(rest.error());
  if (rest->empty()) return;
  const auto updated = guarded("update_params", [&] { return processor_.update_params(params); });
  if (!updated) failed(updated.error());
}

void ProcessorHost::stop() {
  if (!std::exchange(started_, false)) return;
  const auto stopped = guarded("on_stream_stop", [&]() -> Result<void> {
    processor_.on_stream_stop();
    return {};
  });
  if (!stopped) failed(stopped.error());
  attach(nullptr);
}

VideoFrame ProcessorHost::writable(VideoFrame frame) {
  VideoFrame copy = pool_.take(frame.format, frame.width, frame.height);
  copy_pixels(frame, copy);
  std::swap(frame.planes, copy.planes);
  std::swap(frame.memory, copy.memory);
  frame.exclusive = true;
  return frame;
}

VideoFrame ProcessorHost::withheld(VideoFrame frame) const {
  const bool is_long = clock_.now() - last_given_ >= kPanelAfter;
  return is_long && overlay_ != Overlay::kNone ? panel_.show(frame) : std::move(frame);
}

std::vector<VideoFrame> ProcessorHost::video(VideoFrame frame) {
  if (panel_.asked_for()) return {panel_.show(frame)};
  // Kept for the case of a failure. The processor gets a handle that does not know of it, so that a frame
  // which nobody else uses stays writable.
  VideoFrame kept = frame;
  const bool was_writable = frame.exclusive && frame.memory.use_count() == 2;
  kept.exclusive = false;
  if (in_place_ && !was_writable) {
    frame = writable(std::move(frame));
  } else {
    frame.memory = std::make_shared<std::shared_ptr<void>>(kept.memory);
    frame.exclusive = was_writable;
  }
  auto output = guarded("process_video", [&] { return processor_.process_video(std::move(frame)); });
  if (output) {
    for (const VideoFrame& made : output->frames()) {
      if (auto good = check(made); !good) output = unexpected(std::move(good).error());
      if (!output) break;
    }
  }
  if (!output) {
    ++counts_.failed;
    failed(output.error());
    return {std::move(kept)};
  }
  if (output->kind() == VideoOutput::Kind::kWithheld) {
    ++counts_.withheld;
    return {withheld(std::move(kept))};
  }
  last_given_ = clock_.now();
  if (output->kind() == VideoOutput::Kind::kNone) ++counts_.left_out;
  return std::move(output->frames());
}

AudioOutput ProcessorHost::audio(const AudioFrame& frame) {
  // What comes back may be the frame itself, changed in place: the copy is what a failure falls back on.
  AudioFrame given = make_audio_frame(frame.format, frame.sample_rate, frame.channels, frame.samples);
  given.track = frame.track;
  given.timestamp = frame.timestamp;
  for (int c = 0; c < frame.channels; ++c) std::ranges::copy(frame.floats(c), given.floats(c).begin());
  auto output = guarded("process_audio", [&] { return processor_.process_audio(std::move(given)); });
  if (output) {
    for (AudioFrame& made : *output) {
      made.track = frame.track;
      if (auto good = check(made, frame); !good) output = unexpected(std::move(good).error());
      if (!output) break;
    }
  }
  if (output) return *std::move(output);
  ++counts_.failed;
  failed(output.error());
  return {frame};
}

void ProcessorHost::failed(const Error& error) {
  const auto count = reports_.add(std::chrono::steady_clock::now());
  if (!count) return;
  log::warning("{} ({} times)", error.to_string(), *count);
  if (on_failure_) on_failure_(error.to_string());
}

}  // namespace trickle
