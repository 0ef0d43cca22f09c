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
#include "cli/completion.h"
#include "cli/control_channel.h"
#include "cli/tool.h"
#include "codec/media_graph.h"
#include "codec/open.h"
#include "codec/pcm_source.h"
#include "fx/event_lines.h"
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
  std::string on_lag = "block";
  std::string events;
  std::string overlay = "none";
  bool show_loading = false;
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

// What the panel takes of an update holds only if the rest of it does.
Result<void> update(fx::LiveChain& chain, fx::LoadingPanel& panel, std::string_view line,
                    OnceASecond& reports) {
  const auto before = panel.state();
  TRICKLE_TRY_ASSIGN(const std::string rest, panel.take_update(line));
  if (rest.empty()) return {};
  Result<fx::ChainUpdate> updated = chain.update(rest);
  if (!updated) {
    panel.restore(before);
    return unexpected(std::move(updated).error());
  }
  const fx::ChainUpdate& update = *updated;
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

Result<std::unique_ptr<cli::ControlChannel>> start_control(const std::string& where, fx::LiveChain& chain,
                                                           fx::LoadingPanel& panel) {
  if (where.empty()) return std::unique_ptr<cli::ControlChannel>();
  return cli::ControlChannel::start(where,
                                    [&chain, &panel, reports = OnceASecond()](std::string_view line) mutable {
                                      return update(chain, panel, line, reports);
                                    });
}

Result<std::unique_ptr<FrameSink>> open_output(const Options& options, InputKind kind, const StreamInfo& info,
                                               Counters& counters, std::shared_ptr<FrameMemory> shared) {
  const bool frames = options.output == "auto" ? kind == InputKind::kFrames : options.output == "frames";
  if (frames) return open_frame_output(STDOUT_FILENO, info, counters, std::move(shared));
  return open_encoded_output(STDOUT_FILENO, info, options.encode, counters);
}

void sum_up(const Counters& counters) {
  std::string untouched;
  const auto tell = [&](Untouched cause, std::string_view what) {
    if (const uint64_t count = counters.untouched(cause)) untouched += fmt::format(", {} {}", count, what);
  };
  tell(Untouched::kFailed, "passed an effect that failed on them");
  tell(Untouched::kRestarted, "came back as they were from a program that ended or hung");
  tell(Untouched::kOverlay, "shown with the overlay instead of the effects");
  log::info("processed {} frames of {}, {} audio packets, {} written, {} dropped{}",
            counters.frames_out.load(), counters.frames_in.load(), counters.audio_out.load(),
            format_bytes(counters.bytes_out), counters.drops_total(), untouched);
}

// What the effects may ask of this program.
fx::EffectHostPtr effect_host(Counters& counters, std::shared_ptr<FrameMemory> memory,
                              const std::shared_ptr<fx::EventLines>& lines) {
  auto host = std::make_shared<fx::EffectHost>();
  host->on_untouched = [&counters](Untouched cause, uint64_t how_many) {
    counters.pass_untouched(cause, how_many);
  };
  host->frame_memory = std::move(memory);
  host->on_data = [lines](std::string_view json) {
    if (lines) lines->data(json);
  };
  host->on_event = [&counters, lines](std::string_view what, std::string_view sentence) {
    if (lines) lines->event(what, sentence);
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

fx::RunOptions run_options(const Options& options) {
  const auto mode = options.overlay == "passthrough" ? fx::LoadingPanel::Mode::kPassthrough
                                                     : fx::LoadingPanel::Mode::kPanel;
  return {.drop_on_lag = options.on_lag == "drop",
          .panel = std::make_shared<fx::LoadingPanel>(mode),
          .panel_on_stall = options.overlay != "none"};
}

// Where frames may be dropped they need not wait for effects that take long to load either.
Result<std::unique_ptr<fx::LiveChain>> make_chain(fx::ChainSpec spec, fx::EffectHostPtr host, bool later) {
  if (later) return fx::LiveChain::make_unloaded(std::move(spec), std::move(host));
  return fx::LiveChain::make(std::move(spec), std::move(host));
}

Result<void> run(const Options& options, cli::Context& context) {
  if (options.list) return print_list(options.json);
  if (options.json) return unexpected(ErrorKind::kUsage, "--json goes with --list");
  TRICKLE_TRY_ASSIGN(fx::ChainSpec spec, chain_spec(options));
  TRICKLE_TRY(cli::refuse_terminal(STDOUT_FILENO));
  const auto shared = options.shared_memory ? make_shared_memory() : nullptr;
  std::shared_ptr<fx::EventLines> lines;
  if (!options.events.empty()) {
    TRICKLE_TRY_ASSIGN(UniqueFd fd, fx::EventLines::open(options.events));
    lines = std::make_shared<fx::EventLines>(std::move(fd));
  }
  const fx::RunOptions how = run_options(options);
  if (options.show_loading) how.panel->restore({.asked_for = true, .content = {}});
  TRICKLE_TRY_ASSIGN(const auto chain,
                     make_chain(std::move(spec), effect_host(context.counters, shared, lines),
                                how.drop_on_lag && options.ready.empty()));
  if (options.process_audio) chain->process_sound_too();
  TRICKLE_TRY(tell_ready(options.ready));
  TRICKLE_TRY_ASSIGN(const auto control, start_control(options.control, *chain, *how.panel));
  if (control) {
    // What was sent before the first byte came holds for the first frame.
    const int waker = context.stop.fd();
    wait_readable(STDIN_FILENO, std::span(&waker, 1), std::nullopt);
    control->catch_up();
  }
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
  Result<void> result = fx::run_chain(*input.source, open_sink, *chain, how, context.counters);
  sum_up(context.counters);
  return result;
}

void add_options(CLI::App& app, Options& options) {
  auto* effects = app.add_option("EFFECT", options.effects,
                                 "EFFECT[:NAME=VALUE,...] and NAME=VALUE, in the order of the chain")
                      ->type_name("")
                      ->default_str("");
  cli::suggest(effects, fx::effect_names());
  app.add_flag("--list", options.list, "Tell which effects and parameters there are, and end");
  app.add_flag("--json", options.json, "With --list: as JSON");
  app.add_option("--control", options.control, "Take updates of the effects from here, as JSON lines")
      ->type_name("fd:N|SOCKET");
  app.add_option("--ready", options.ready, "Write a line to this descriptor once the effects are loaded")
      ->type_name("fd:N");
  app.add_option("--events", options.events, "Write what effects say, events and data, here as JSON lines")
      ->type_name("FILE|fd:N");
  auto* device = app.add_option("--device", options.device, "Where models run: auto, cpu, cuda or cuda:N")
                     ->type_name("DEVICE");
  cli::suggest(device, {"auto", "cpu", "cuda"});
  app.add_option("--output", options.output, "What to write; auto: what was read")
      ->check(CLI::IsMember({"frames", "ts", "auto"}).description(""))
      ->type_name("frames|ts|auto");
  app.add_option("--on-lag", options.on_lag, "When effects are too slow: wait, or drop the oldest frames")
      ->check(CLI::IsMember({"block", "drop"}).description(""))
      ->type_name("block|drop");
  app.add_option("--overlay", options.overlay,
                 "With --on-lag drop: what to show while an effect gives no frame for 1.5 s")
      ->check(CLI::IsMember({"none", "panel", "passthrough"}).description(""))
      ->type_name("none|panel|passthrough");
  app.add_flag("--show-loading", options.show_loading,
               "Show the loading panel until an update takes it back");
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
