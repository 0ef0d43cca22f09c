// trickle-bench: load and truth. Each figure that the documentation states is made by one of its subcommands.
#include <cstdio>

#include "base/log.h"
#include "base/try.h"
#include "base/units.h"
#include "bench/bare_server.h"
#include "bench/chain_bench.h"
#include "bench/cutter_bench.h"
#include "bench/frames_bench.h"
#include "bench/fx_bench.h"
#include "bench/relay_bench.h"
#include "bench/serve_bench.h"
#include "bench/startup_bench.h"
#include "cli/listen_options.h"
#include "cli/option_values.h"
#include "cli/tool.h"

namespace {

using namespace trickle;

// Durations and sizes as typed; they are read when the subcommand runs.
struct RelayOptions {
  bench::RelayBenchOptions bench;
  std::string chunk = "8K";
  std::string segment = "2s";
  std::string duration = "10s";
  bool unpaced = false;
  bool no_preconnect = false;
};

struct BareOptions {
  cli::ListenOptions listen{.listen = "127.0.0.1:0", .port_file = {}};
  uint64_t flip_every = 0;
};

struct ChainOptions {
  bench::ChainBenchOptions bench;
  std::string size = "1280x720";
  bool pipes = false;
};

struct FxOptions {
  bench::FxBenchOptions bench;
  std::string size = "1920x1080";
};

struct FramesOptions {
  bench::FramesBenchOptions bench;
  std::string size = "1920x1080";
};

struct ServeOptions {
  bench::ServeBenchOptions bench;
  std::string size = "704x384";
  bool load = false;
  bool capacity = false;
};

struct Options {
  RelayOptions relay;
  BareOptions bare;
  bench::StartupBenchOptions startup;
  bench::CutterBenchOptions cutter;
  FxOptions fx;
  FramesOptions frames;
  ChainOptions chain;
  ServeOptions serve;
};

CLI::App& subcommand(CLI::App& app, const char* name, const char* summary) {
  CLI::App* command = app.add_subcommand(name, summary);
  command->fallthrough();
  command->set_help_flag("-h,--help", "Print this help and exit");
  return *command;
}

void add_json_option(CLI::App& app, std::string& json) {
  app.add_option("--json", json, "Write the figures of every round here as JSON; -: standard output")
      ->type_name("FILE");
}

void add_load_options(CLI::App& app, RelayOptions& options) {
  bench::LoadOptions& load = options.bench.load;
  app.add_option("--publishers", load.publishers, "Each with a channel of its own")
      ->type_name("N")
      ->check(CLI::Range(1, 1000));
  app.add_option("--subscribers", load.subscribers, "Dealt to the channels in turn")
      ->type_name("N")
      ->check(CLI::Range(1, 100000));
  app.add_option("--chunk", options.chunk, "Size of a chunk")->type_name("BYTES");
  app.add_option("--rate", load.rate_hz, "Chunks a second and publisher")
      ->type_name("HZ")
      ->check(CLI::Range(0.01, 100000.0));
  app.add_option("--segment", options.segment, "Length of a segment")->type_name("DURATION");
  app.add_flag("--unpaced", options.unpaced, "Publish as fast as the slowest subscriber reads");
  app.add_flag("--no-preconnect", options.no_preconnect,
               "Ask for a segment only when the one before has ended");
  app.add_option("--duration", options.duration, "Of one round")->type_name("DURATION");
  app.add_option("--threads", load.threads, "Threads that read")->type_name("N")->check(CLI::Range(1, 64));
}

void add_relay_command(CLI::App& tool, RelayOptions& options) {
  CLI::App& app =
      subcommand(tool, "relay", "Load on trickle servers: CPU, delay, memory, every byte checked");
  bench::RelayBenchOptions& b = options.bench;
  app.add_option("--server", b.servers, "Server that runs here, or a relay of its own (repeatable)")
      ->type_name("PID|URL|own")
      ->default_str("own")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_flag("--bare", b.bare, "Also the least loop that could do it, as the limit");
  app.add_option("--relay-option", b.relay_arguments, "For the relay of its own (repeatable)")
      ->type_name("OPTION")
      ->default_str("")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  add_load_options(app, options);
  app.add_option("--stalled", b.stalled_percent, "Rounds in turn without and with so many that never read")
      ->type_name("PERCENT")
      ->check(CLI::Range(0.0, 99.0));
  app.add_option("--rounds", b.rounds, "Of each server, in turn; medians are shown")
      ->type_name("N")
      ->check(CLI::Range(1, 1000));
  app.add_flag("--capacity", b.capacity, "Search for the most subscribers that lose nothing, in time");
  app.add_option("--max-delay", b.max_delay_ms, "Longest p99 of --capacity, in milliseconds")
      ->type_name("MS");
  app.add_option("--max-subscribers", b.max_subscribers, "Where --capacity stops")->type_name("N");
  app.add_option("--server-cores", b.server_cores, "Run the servers on these cores only")
      ->type_name("N,…")
      ->delimiter(',')
      ->default_str("");
  app.add_option("--generator-cores", b.generator_cores, "Run the load on these cores only")
      ->type_name("N,…")
      ->delimiter(',')
      ->default_str("");
  add_json_option(app, b.json);
}

void add_bare_command(CLI::App& tool, BareOptions& options) {
  CLI::App& app = subcommand(tool, "bare", "Serve as the bare loop that relay --bare compares with");
  cli::add_listen_options(app, options.listen);
  app.add_option("--flip-every", options.flip_every, "Spoil a byte of each so-many-th send; 0: none")
      ->type_name("N");
}

void add_rounds_option(CLI::App& app, size_t& rounds) {
  app.add_option("--rounds", rounds, "Of each, in turn; medians are shown")
      ->type_name("N")
      ->check(CLI::Range(1, 1000));
}

void add_startup_command(CLI::App& tool, bench::StartupBenchOptions& options) {
  CLI::App& app = subcommand(tool, "startup", "From the start of each program until it is of use");
  add_rounds_option(app, options.rounds);
  add_json_option(app, options.json);
}

void add_cutter_command(CLI::App& tool, bench::CutterBenchOptions& options) {
  CLI::App& app = subcommand(tool, "cutter", "How fast a transport stream is cut, and that nothing changes");
  app.add_option("CLIP", options.clip, "MPEG-TS; by default one is made")->type_name("FILE");
  add_rounds_option(app, options.rounds);
  add_json_option(app, options.json);
}

void add_fx_command(CLI::App& tool, FxOptions& options) {
  CLI::App& app =
      subcommand(tool, "fx", "Each colour effect on each pixel format, against a copy and FFmpeg");
  bench::FxBenchOptions& b = options.bench;
  app.add_option("--size", options.size, "Of the frames")->type_name("WxH");
  app.add_option("--pix-fmt", b.format, "Only this pixel format")->type_name("FORMAT");
  app.add_option("--effect", b.effect, "Only this effect")->type_name("EFFECT");
  add_rounds_option(app, b.rounds);
  add_json_option(app, b.json);
}

void add_frames_command(CLI::App& tool, FramesOptions& options) {
  CLI::App& app =
      subcommand(tool, "frames", "Frames between processes: through pipes and through shared memory");
  bench::FramesBenchOptions& b = options.bench;
  app.add_option("--size", options.size, "Of the frames")->type_name("WxH");
  app.add_option("--pix-fmt", b.format, "Their pixel format")->type_name("FORMAT");
  app.add_option("--frames", b.frames, "In each round")->type_name("N")->check(CLI::Range(1, 1000000));
  add_rounds_option(app, b.rounds);
  add_json_option(app, b.json);
}

void add_chain_command(CLI::App& tool, ChainOptions& options) {
  CLI::App& app =
      subcommand(tool, "chain", "sub | decode | fx | encode | pub over a relay, against one ffmpeg");
  bench::ChainBenchOptions& b = options.bench;
  app.add_option("CLIP", b.clip, "MPEG-TS with H.264; by default one is made")->type_name("FILE");
  app.add_option("--size", options.size, "Of the clip; with --latency also of one that is given")
      ->type_name("WxH");
  app.add_option("--fps", b.shape.fps, "Of the clip that is made")->type_name("N")->check(CLI::Range(1, 240));
  app.add_option("--seconds", b.shape.seconds, "Length of the clip that is made")
      ->type_name("N")
      ->check(CLI::Range(2, 3600));
  app.add_option("--effect", b.effect, "What fx does")->type_name("EFFECT");
  app.add_option("--graph", b.graph, "What ffmpeg does in its place; known for red_tint and none")
      ->type_name("GRAPH");
  app.add_flag("--pipes", options.pipes, "Frames through pipes instead of shared memory");
  app.add_flag("--latency", b.latency,
               "The delay of each frame at the clip's own pace, instead of the speed");
  add_rounds_option(app, b.rounds);
  add_json_option(app, b.json);
}

void add_serve_command(CLI::App& tool, ServeOptions& options) {
  CLI::App& app = subcommand(tool, "serve", "Streams of trickle-serve: how soon, at what cost, how many");
  bench::ServeBenchOptions& b = options.bench;
  auto* load = app.add_flag("--load", options.load,
                            "Instead of how soon a stream starts: its speed, cost, delay and memory");
  app.add_flag("--capacity", options.capacity,
               "Instead: how many streams this machine carries, against one ffmpeg each")
      ->excludes(load);
  app.add_option("--peer", b.peer, "With --load: a Python that has pytrickle, to run beside trickle-serve")
      ->type_name("PYTHON")
      ->needs(load);
  app.add_option("--size", options.size, "Of the clip")->type_name("WxH");
  app.add_option("--fps", b.shape.fps, "Of the clip")->type_name("N")->check(CLI::Range(1, 240));
  app.add_option("--seconds", b.shape.seconds, "Length of the clip")
      ->type_name("N")
      ->check(CLI::Range(2, 3600));
  app.add_option("--effect", b.effect, "Of the streams; the peer makes red_tint")->type_name("EFFECT");
  app.add_option("--max-delay", b.max_delay_ms,
                 "With --capacity: of a frame that is in time, in milliseconds")
      ->type_name("MS");
  app.add_option("--max-streams", b.max_streams, "Where --capacity stops")
      ->type_name("N")
      ->check(CLI::Range(1, 1000));
  add_rounds_option(app, b.rounds);
  add_json_option(app, b.json);
}

Result<void> run_cutter(const bench::CutterBenchOptions& options, cli::Context& context) {
  // The clip passes hundreds of times, and each time the cutter would say what it cuts by.
  TRICKLE_TRY(log::configure("trickle-bench", "warning", log::Format::kText));
  return bench::run_cutter_bench(options, context.stop);
}

Result<void> parse_size(const std::string& text, int& width, int& height) {
  if (std::sscanf(text.c_str(), "%dx%d", &width, &height) == 2 && width >= 16 && width <= 16384 &&
      height >= 16 && height <= 16384) {
    return {};
  }
  return unexpected(ErrorKind::kUsage, "--size '" + text + "' is no size like 1280x720");
}

Result<void> run_fx(FxOptions& options, cli::Context& context) {
  TRICKLE_TRY(parse_size(options.size, options.bench.width, options.bench.height));
  return bench::run_fx_bench(options.bench, context.stop);
}

Result<void> run_frames(FramesOptions& options, cli::Context& context) {
  TRICKLE_TRY(parse_size(options.size, options.bench.width, options.bench.height));
  return bench::run_frames_bench(options.bench, context.stop);
}

Result<void> run_chain(ChainOptions& options, cli::Context& context) {
  TRICKLE_TRY(parse_size(options.size, options.bench.shape.width, options.bench.shape.height));
  options.bench.shm = !options.pipes;
  return bench::run_chain_bench(options.bench, context.stop);
}

Result<void> run_serve(ServeOptions& options, cli::Context& context) {
  using What = bench::ServeBenchOptions::What;
  TRICKLE_TRY(parse_size(options.size, options.bench.shape.width, options.bench.shape.height));
  options.bench.what = options.load ? What::kLoad : options.capacity ? What::kCapacity : What::kStart;
  return bench::run_serve_bench(options.bench, context.stop);
}

Result<void> run_relay(RelayOptions& options, cli::Context& context) {
  bench::LoadOptions& load = options.bench.load;
  TRICKLE_TRY_ASSIGN(load.chunk_bytes, parse_bytes(options.chunk));
  if (load.chunk_bytes < 2 * bench::kStampBytes) {
    return unexpected(ErrorKind::kUsage, "--chunk must be at least 16 bytes: a time stamp is in each");
  }
  TRICKLE_TRY_ASSIGN(load.duration, cli::duration_option("--duration", options.duration));
  TRICKLE_TRY_ASSIGN(const auto segment, cli::duration_option("--segment", options.segment));
  const double chunks = std::chrono::duration<double>(segment).count() * load.rate_hz;
  load.chunks_per_segment = std::max<size_t>(1, static_cast<size_t>(chunks));
  load.preconnect = !options.no_preconnect;
  if (options.unpaced) load.rate_hz = 0;
  return bench::run_relay_bench(options.bench, context.stop);
}

Result<void> run_bare(const BareOptions& options, cli::Context& context) {
  bench::BareServer server(options.flip_every);
  bench::raise_descriptor_limit();
  TRICKLE_TRY_ASSIGN(Endpoint wanted, cli::listen_endpoint(options.listen));
  TRICKLE_TRY_ASSIGN(wanted.port, server.listen(wanted));
  TRICKLE_TRY(cli::announce_listening(options.listen, wanted));
  return server.run(context.stop);
}

}  // namespace

int main(int argc, char** argv) {
  cli::Tool tool("trickle-bench", "Measure trickle servers and filters, and check what comes out of them.");
  Options options;
  add_relay_command(tool.app(), options.relay);
  add_chain_command(tool.app(), options.chain);
  add_serve_command(tool.app(), options.serve);
  add_frames_command(tool.app(), options.frames);
  add_fx_command(tool.app(), options.fx);
  add_cutter_command(tool.app(), options.cutter);
  add_startup_command(tool.app(), options.startup);
  add_bare_command(tool.app(), options.bare);
  tool.app().require_subcommand(1);
  return tool.run(argc, argv, [&](cli::Context& context) -> Result<void> {
    const auto given = [&tool](const char* command) { return tool.app().got_subcommand(command); };
    if (given("relay")) return run_relay(options.relay, context);
    if (given("chain")) return run_chain(options.chain, context);
    if (given("serve")) return run_serve(options.serve, context);
    if (given("frames")) return run_frames(options.frames, context);
    if (given("fx")) return run_fx(options.fx, context);
    if (given("cutter")) return run_cutter(options.cutter, context);
    if (given("startup")) return bench::run_startup_bench(options.startup, context.stop);
    return run_bare(options.bare, context);
  });
}
