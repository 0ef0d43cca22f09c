#include "fx/color_run.h"

#include <utility>

#include "base/log.h"

namespace trickle::fx {

Result<void> ColorRun::process(VideoFrame& frame, Frames& out) {
  if (!ready_ || ready_->format != frame.format || ready_->color != frame.color) {
    auto pass = ColorPass::make(steps_, frame.format, frame.color);
    if (!pass) log::error("frames pass without their colour effects: {}", pass.error().to_string());
    ready_ = Ready{frame.format, frame.color, pass ? *std::move(pass) : ColorPass()};
  }
  const ColorPass& pass = ready_->pass;
  if (!pass.nothing_to_do() && frame.writable()) pass.run(frame, frame);
  if (pass.nothing_to_do() || frame.writable()) {
    out.push_back(std::move(frame));
    return {};
  }
  VideoFrame made = make_padded_frame(*memory_, frame.format, frame.width, frame.height);
  if (!made.memory) return unexpected(ErrorKind::kInternal, "out of memory for a frame");
  pass.run(frame, made);
  copy_properties(frame, made);
  out.push_back(std::move(made));
  return {};
}

}  // namespace trickle::fx
