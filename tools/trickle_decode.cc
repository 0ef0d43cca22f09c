// trickle-decode: encoded media in, frames out.
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>

#include "base/log.h"
#include "base/try.h"
#include "base/units.h"
#include "cli/codec_options.h"
#include "cli/control_channel.h"
#include "cli/tool.h"
#include "codec/open.h"
#include "io/fd_io.h"
#include "io/open_file.h"
#include "media/pump.h"
#include "media/shm_pool.h"

namespace {

using namespace trickle;

struct Options {
  std::string input = "-";
  std::string format = "nut";
  std::string control;
  bool shared_memory = false;
  DecodeOptions decode;
};

// {"width":704,"height":384,"max_framerate":15}: each key is optional, but a side needs the other one.
Result<ShapeControl::Change> parse_change(std::string_view line) {
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object()) return unexpected(ErrorKind::kUsage, "a line is no JSON object");
  ShapeControl::Change change;
  if (json.contains("width") || json.contains("height")) {
    const auto width = json.find("width");
    const auto height = json.find("height");
    constexpr int kMaxSide = 16384;
    const auto is_side = [&](const auto& side) {
      return side != json.end() && side->is_number_integer() && *side >= 1 && *side <= kMaxSide;
    };
    if (!is_side(width) || !is_side(height)) {
      return unexpected(ErrorKind::kUsage, "width and height must both be integers from 1 to 16384");
    }
    change.size = PictureSize{width->template get<int>(), height->template get<int>()};
  }
  if (const auto rate = json.find("max_framerate"); rate != json.end()) {
    if (!rate->is_number() || *rate <= 0) {
      return unexpected(ErrorKind::kUsage, "max_framerate must be a number above 0");
    }
    change.max_fps = rate->get<double>();
  }
  return change;
}

Result<std::unique_ptr<cli::ControlChannel>> start_control(const std::string& source,
                                                           const std::shared_ptr<ShapeControl>& control) {
  if (source.empty()) return std::unique_ptr<cli::ControlChannel>();
  return cli::ControlChannel::start(source, [control](std::string_view line) -> Result<void> {
    TRICKLE_TRY_ASSIGN(const ShapeControl::Change change, parse_change(line));
    control->set(change);
    return {};
  });
}

// What was sent on --control before the first byte came holds for the first frame.
void await_input(int input, cli::ControlChannel* lines, const StopToken& stop) {
  if (lines == nullptr) return;
  const int waker = stop.fd();
  wait_readable(input, std::span(&waker, 1), std::nullopt);
  lines->catch_up();
}

void sum_up(const Counters& counters) {
  log::info("decoded {} frames, passed {} on ({}), {} audio packets, {} dropped, {} gaps",
            counters.frames_in.load(), counters.frames_out.load(), format_bytes(counters.bytes_out),
            counters.audio_out.load(), counters.drops_total(), counters.gaps.load());
}

Result<void> run(const Options& options, cli::Context& context) {
  TRICKLE_TRY(cli::refuse_terminal(STDOUT_FILENO));
  TRICKLE_TRY_ASSIGN(const UniqueFd input, open_to_read(options.input));
  const auto control = std::make_shared<ShapeControl>();
  TRICKLE_TRY_ASSIGN(const auto lines, start_control(options.control, control));
  await_input(input.get(), lines.get(), context.stop);
  const auto shared = options.shared_memory && options.format == "nut" ? make_shared_memory() : nullptr;
  TRICKLE_TRY_ASSIGN(const OpenedInput opened, open_input(input.get(), options.decode, context.counters,
                                                          context.stop, control, shared));
  if (opened.kind == InputKind::kEmpty) {
    log::warning("the input is empty");
    return {};
  }
  const StreamInfo& info = opened.source->info();
  TRICKLE_TRY_ASSIGN(const std::unique_ptr<FrameSink> sink,
                     options.format == "y4m"
                         ? open_y4m_output(STDOUT_FILENO, info, context.counters)
                         : open_frame_output(STDOUT_FILENO, info, context.counters, shared));
  Result<void> result = pump(*opened.source, *sink);
  sum_up(context.counters);
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  trickle::cli::Tool tool("trickle-decode", "Decode media to a stream of frames on standard output.");
  Options options;
  tool.app().add_option("INPUT", options.input, "File to decode; - is standard input")->type_name("FILE");
  trickle::cli::add_decode_options(tool.app(), options.decode);
  tool.app()
      .add_option("--format", options.format,
                  "Frames with audio and timestamps (nut), or bare pictures (y4m)")
      ->check(CLI::IsMember({"nut", "y4m"}))
      ->type_name("nut|y4m");
  tool.app()
      .add_option("--control", options.control,
                  "Read JSON lines that change size and rate from this descriptor")
      ->type_name("fd:N");
  trickle::cli::add_shm_option(tool.app(), options.shared_memory);
  return tool.run(argc, argv, [&](trickle::cli::Context& context) { return run(options, context); });
}
