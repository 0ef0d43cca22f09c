// trickle-fx: effects on frames, or on encoded media that it decodes and encodes itself.
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/once_a_second.h"
#include "base/try.h"
#include "base/units.h"
#include "cli/codec_options.h"
#include "cli/control_channel.h"
#include "cli/tool.h"
#include "codec/media_graph.h"
#include "codec/open.h"
#include "codec/pcm_source.h"
#include "fx/live_chain.h"
#include "fx/registry.h"
#include "fx/run_chain.h"
#include "io/fd_io.h"
#include "media/shm_pool.h"

namespace {

using namespace trickle;

struct Options {
  std::vector<std::string> effects;
  bool list = false;
  bool json = false;
  std::string control;
  std::string ready;
  std::string device = "auto";
  std::string output = "auto";
  bool process_audio = false;
  bool shared_memory = false;
  DecodeOptions decode;
  EncodeOptions encode;
};

Result<void> print_list(bool json) {
  const std::string text = json ? fx::list_json() + "\n" : fx::list_text();
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return {};
  return unexpected(ErrorKind::kIo, "can't write the list to standard output");
}

// --device holds for every effect that has a device and was not given one of its own.
Result<fx::ChainSpec> chain_spec(const Options& options) {
  if (options.effects.empty() && options.control.empty()) {
    return unexpected(ErrorKind::kUsage, "which effect? trickle-fx --list tells what there is");
  }
  TRICKLE_TRY_ASSIGN(fx::ChainSpec spec, fx::parse_chain(options.effects));
  for (fx::EffectSpec& effect : spec.effects) {
    const auto device = effect.parameters.find("device");
    if (device != effect.parameters.end() && device->second == fx::ParameterValue("auto")) {
      device->second = options.device;
    }
  }
  return spec;
}

Result<void> update(fx::LiveChain& chain, std::string_view line, OnceASecond& reports) {
  TRICKLE_TRY_ASSIGN(const fx::ChainUpdate update, chain.update(line));
  if (const auto count = reports.add(std::chrono::steady_clock::now())) {
    if (!update.unknown.empty()) log::warning("control: no effect knows {}", fmt::join(update.unknown, ", "));
    log::info("the effects are now {} ({} updates)", fx::to_string(update.chain), *count);
  }
  return {};
}

// For a supervisor that starts programs before it needs them.
Result<void> tell_ready(const std::string& where) {
  if (where.empty()) return {};
  int number = -1;
  const char* const end = where.data() + where.size();
  if (!where.starts_with("fd:") || std::from_chars(where.data() + 3, end, number).ptr != end ||
      ::fcntl(number, F_SETFD, FD_CLOEXEC) != 0) {
    return unexpected(ErrorKind::kUsage, fmt::format("--ready {}: there is no such open descriptor", where));
  }
  const UniqueFd fd(number);
  const std::string_view line = "ready\n";
  // Whoever has stopped listening does not want to know.
  const Result<void> told = write_full(fd.get(), std::as_bytes(std::span(line)));
  return told || told.error().kind() == ErrorKind::kClosed ? Result<void>() : told;
}

Result<std::unique_ptr<cli::ControlChannel>> start_control(const std::string& where, fx::LiveChain& chain) {
  if (where.empty()) return std::unique_ptr<cli::ControlChannel>();
  return cli::ControlChannel::start(where, [&chain, reports = OnceASecond()](std::string_view line) mutable {
    return update(chain, line, reports);
  });
}

Result<std::unique_ptr<FrameSink>> open_output(const Options& options, InputKind kind, const StreamInfo& info,
                                               Counters& counters, std::shared_ptr<FrameMemory> shared) {
  const bool frames = options.output == "auto" ? kind == InputKind::kFrames : options.output == "frames";
  if (frames) return open_frame_output(STDOUT_FILENO, info, counters, std::move(shared));
  return open_encoded_output(STDOUT_FILENO, info, options.encode, counters);
}

void sum_up(const Counters& counters) {
  log::info("processed {} frames of {}, {} audio packets, {} written, {} dropped", counters.frames_out.load(),
            counters.frames_in.load(), counters.audio_out.load(), format_bytes(counters.bytes_out),
            counters.drops_total());
}

// What the effects may ask of this program.
fx::EffectHostPtr effect_host(Counters& counters, std::shared_ptr<FrameMemory> memory) {
  auto host = std::make_shared<fx::EffectHost>();
  host->frame_memory = std::move(memory);
  host->on_event = [&counters](std::string_view what, std::string_view sentence) {
    if (what == "effect_restarted") counters.restarts.fetch_add(1);
    counters.set_last_error(std::string(sentence));
  };
  host->make_video_graph = make_video_graph;
  host->make_sound_graph = make_sound_graph;
  host->make_converter = make_picture_converter;
  // What goes to and from programs is not counted as this stream's.
  const auto inner = std::make_shared<Counters>();
  host->open_frame_sink = [inner](int fd, const StreamInfo& info) {
    return open_frame_output(fd, info, *inner);
  };
  host->open_frame_source = [inner](int fd, const StopToken& stop) -> Result<std::unique_ptr<FrameSource>> {
    TRICKLE_TRY_ASSIGN(OpenedInput opened, open_input(fd, {}, *inner, stop));
    return std::move(opened.source);
  };
  return host;
}

Result<void> run(const Options& options, cli::Context& context) {
  if (options.list) return print_list(options.json);
  if (options.json) return unexpected(ErrorKind::kUsage, "--json goes with --list");
  TRICKLE_TRY_ASSIGN(fx::ChainSpec spec, chain_spec(options));
  TRICKLE_TRY(cli::refuse_terminal(STDOUT_FILENO));
  const auto shared = options.shared_memory ? make_shared_memory() : nullptr;
  TRICKLE_TRY_ASSIGN(const auto chain,
                     fx::LiveChain::make(std::move(spec), effect_host(context.counters, shared)));
  if (options.process_audio) chain->process_sound_too();
  TRICKLE_TRY(tell_ready(options.ready));
  TRICKLE_TRY_ASSIGN(const auto control, start_control(options.control, *chain));
  TRICKLE_TRY_ASSIGN(OpenedInput input, open_input(STDIN_FILENO, options.decode, context.counters,
                                                   context.stop, nullptr, shared));
  if (input.kind == InputKind::kEmpty) {
    log::warning("the input is empty");
    return {};
  }
  if (chain->processes_sound()) input.source = make_pcm_source(std::move(input.source), context.counters);
  const auto open_sink = [&](const StreamInfo& info) {
    return open_output(options, input.kind, info, context.counters, shared);
  };
  Result<void> result = fx::run_chain(*input.source, open_sink, *chain);
  sum_up(context.counters);
  return result;
}

void add_options(CLI::App& app, Options& options) {
  app.add_option("EFFECT", options.effects,
                 "EFFECT[:NAME=VALUE,...] and NAME=VALUE, in the order of the chain")
      ->type_name("")
      ->default_str("");
  app.add_flag("--list", options.list, "Tell which effects and parameters there are, and end");
  app.add_flag("--json", options.json, "With --list: as JSON");
  app.add_option("--control", options.control, "Take updates of the effects from here, as JSON lines")
      ->type_name("fd:N|SOCKET");
  app.add_option("--ready", options.ready, "Write a line to this descriptor once the effects are loaded")
      ->type_name("fd:N");
  app.add_option("--device", options.device, "Where models run: auto, cpu, cuda or cuda:N")
      ->type_name("DEVICE");
  app.add_option("--output", options.output, "What to write; auto: what was read")
      ->check(CLI::IsMember({"frames", "ts", "auto"}).description(""))
      ->type_name("frames|ts|auto");
  app.add_flag("--process-audio", options.process_audio,
               "Decode the sound, so that updates may add effects on it (as a first effect on sound does)");
  cli::add_transcode_options(app, options.decode, options.encode);
  cli::add_shm_option(app, options.shared_memory);
}

}  // namespace

int main(int argc, char** argv) {
  trickle::cli::Tool tool("trickle-fx", "Apply effects to a stream of frames, or to encoded video.");
  Options options;
  add_options(tool.app(), options);
  return tool.run(argc, argv, [&](trickle::cli::Context& context) { return run(options, context); });
}
