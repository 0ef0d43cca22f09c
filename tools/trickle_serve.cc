// trickle-serve: the HTTP worker, with a relay inside if asked for.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/try.h"
#include "base/units.h"
#include "cli/completion.h"
#include "cli/listen_options.h"
#include "cli/option_values.h"
#include "cli/tool.h"
#include "fx/registry.h"
#include "trickle/version.h"
#include "worker/relay_thread.h"
#include "worker/serve.h"

namespace {

using namespace trickle;

struct Options {
  cli::ListenOptions listen{.listen = "127.0.0.1:8080", .port_file = {}};
  cli::ListenOptions relay{.listen = "127.0.0.1:3389", .port_file = {}};
  bool has_relay = false;
  std::string start_timeout = "10s";
  std::string stop_timeout = "2s";
  std::string auth_token_file;
  std::string token_file;
  std::string programs;
  std::string state_dir;
  std::vector<std::string> preload;
  std::string model_dir;
  std::string stream_memory = "0";
  std::string allow_private = "auto";
  worker::ServeOptions serve;
};

// One token a line; blank lines and lines that begin with # don't count.
Result<std::vector<std::string>> read_tokens(const std::string& path) {
  std::ifstream file(path);
  if (!file) return unexpected(ErrorKind::kUsage, "can't read the token file " + path);
  std::vector<std::string> tokens;
  for (std::string line; std::getline(file, line);) {
    line.erase(line.find_last_not_of(" \t\r") + 1);
    if (!line.empty() && line.front() != '#') tokens.push_back(line);
  }
  if (tokens.empty()) return unexpected(ErrorKind::kUsage, "there is no token in " + path);
  return tokens;
}

Result<void> complete(Options& options) {
  auto& serve = options.serve;
  TRICKLE_TRY_ASSIGN(serve.listen, cli::listen_endpoint(options.listen));
  TRICKLE_TRY_ASSIGN(serve.worker.stream.plan.start_timeout,
                     cli::duration_option("--start-timeout", options.start_timeout));
  TRICKLE_TRY_ASSIGN(serve.worker.stream.stop_deadline,
                     cli::duration_option("--stop-timeout", options.stop_timeout));
  serve.worker.stream.chain.program_directory = options.programs;
  serve.state_dir = options.state_dir;
  serve.worker.stream.pipeline = serve.api.pipeline;
  // As the Python peer does it.
  if (const char* model = std::getenv("MODEL_ID"); model != nullptr && serve.api.model_id.empty()) {
    serve.api.model_id = model;
  }
  serve.api.effects.model_dir = options.model_dir;
  serve.worker.stream.effects = serve.api.effects;
  serve.api.urls.allow_private = options.allow_private == "auto" ? worker::is_loopback(serve.listen.host)
                                                                 : options.allow_private == "yes";
  serve.worker.stream.plan.public_only = !serve.api.urls.allow_private;
  TRICKLE_TRY_ASSIGN(serve.worker.stream.memory_bytes, parse_bytes(options.stream_memory));
  serve.worker.stream.chain.limits.memory_bytes = serve.worker.stream.memory_bytes;
  for (const std::string& effect : options.preload) {
    TRICKLE_TRY_ASSIGN(fx::ChainSpec chain, fx::parse_chain(std::span(&effect, 1)));
    worker::make_files_absolute(chain);
    serve.preload.push_back(std::move(chain));
  }
  if (!options.auth_token_file.empty()) {
    TRICKLE_TRY_ASSIGN(serve.api.tokens, read_tokens(options.auth_token_file));
  }
  if (!options.token_file.empty()) {
    TRICKLE_TRY_ASSIGN(const auto tokens, read_tokens(options.token_file));
    serve.worker.stream.plan.token = tokens.front();
  }
  return {};
}

Result<void> run(Options& options, cli::Context& context) {
  TRICKLE_TRY(complete(options));
  std::unique_ptr<worker::RelayThread> relay;
  if (options.has_relay) {
    TRICKLE_TRY_ASSIGN(const Endpoint address, parse_endpoint(options.relay.listen));
    TRICKLE_TRY_ASSIGN(relay, worker::RelayThread::start(address, RelayOptions{}, context.counters));
    log::info("the relay inside:");
    TRICKLE_TRY(cli::announce_listening(options.relay, relay->endpoint()));
  }
  return worker::serve(std::move(options.serve), context.stop,
                       [&](const Endpoint& bound) { return cli::announce_listening(options.listen, bound); });
}

void add_options(CLI::App& app, Options& options) {
  cli::add_listen_options(app, options.listen);
  app.add_option_function<std::string>(
         "--relay",
         [&options](const std::string& address) {
           options.has_relay = true;
           if (!address.empty()) options.relay.listen = address;
         },
         "Run a relay inside; without an address on 127.0.0.1:3389")
      ->expected(0, 1)
      ->type_name("[HOST:PORT]");
  app.add_option("--relay-port-file", options.relay.port_file, "Write the relay's port number to this file")
      ->type_name("FILE");
  auto& worker = options.serve.worker;
  worker.capacity = std::max(1U, std::thread::hardware_concurrency());
  app.add_option("--capacity", worker.capacity, "Streams that may run at once; default: number of cores")
      ->check(CLI::Range(1, 10'000).description(""))
      ->default_str("")
      ->type_name("N");
  app.add_option("--start-timeout", options.start_timeout, "How long a subscribe channel may be missing")
      ->type_name("TIME");
  app.add_option("--stop-timeout", options.stop_timeout, "How long the end of a stopped stream may take")
      ->type_name("TIME");
  app.add_option("--allow-url", options.serve.api.urls.prefixes,
                 "Refuse requests with URLs that don't begin so; repeatable")
      ->default_str("")
      ->type_name("PREFIX");
  app.add_option("--allow-private", options.allow_private,
                 "Whether requests may name hosts in private networks; auto: if it listens on loopback only")
      ->check(CLI::IsMember({"yes", "no", "auto"}).description(""))
      ->type_name("yes|no|auto");
  app.add_option("--model-dir", options.model_dir,
                 "Directory of the models and plugins that requests may name")
      ->type_name("DIR");
  auto* allowed = app.add_option("--allow-effect", options.serve.api.effects.allowed,
                                 "Let requests use this effect although it can read any file; repeatable")
                      ->default_str("")
                      ->type_name("NAME");
  cli::suggest(allowed, fx::effect_names());
  app.add_option("--rate-limit", options.serve.api.requests_per_second,
                 "Requests a second that one address may send; 0: any number")
      ->check(CLI::Range(0.0, 1e6).description(""))
      ->type_name("N");
  app.add_option("--auth-token-file", options.auth_token_file,
                 "Require one of these Bearer tokens, one a line")
      ->type_name("FILE");
  app.add_option("--token-file", options.token_file, "Bearer token for the trickle servers")
      ->type_name("FILE");
  app.add_flag("--insecure", worker.stream.plan.insecure,
               "Accept any TLS certificate of the trickle servers");
  app.add_option("--programs", options.programs,
                 "Directory of the chain's programs; default: beside this one, then PATH")
      ->type_name("DIR");
  options.serve.warm = 1;
  app.add_option("--warm", options.serve.warm,
                 "Streams for which the programs are kept ready before they are asked for")
      ->check(CLI::Range(0, 1000).description(""))
      ->type_name("N");
  auto* preload = app.add_option("--preload", options.preload,
                                 "Keep a process with this effect ready, its model loaded; repeatable")
                      ->default_str("")
                      ->type_name("EFFECT[:K=V,...]");
  cli::suggest(preload, fx::effect_names());
  app.add_option("--state-dir", options.state_dir,
                 "Remember published channels here, to close them if this process is killed")
      ->type_name("DIR");
  app.add_option("--restart-limit", worker.stream.chain.restart_limit,
                 "Restarts of a stream within 120 s; one more ends it")
      ->check(CLI::Range(0, 1'000'000).description(""))
      ->type_name("N");
  app.add_option("--stream-memory", options.stream_memory,
                 "Private memory that the programs of one stream may use, such as 2G; 0: any")
      ->type_name("SIZE");
  app.add_option("--nice", worker.stream.chain.limits.nice, "Run the programs at this much lower priority")
      ->check(CLI::Range(0, 19).description(""))
      ->type_name("N");
  app.add_option("--pipeline", options.serve.api.pipeline, "Name that /version tells")->envname("PIPELINE");
  app.add_option("--model-id", options.serve.api.model_id, "Model that /version tells")
      ->envname("CAPABILITY_NAME");
  app.add_option("--app-version", options.serve.api.app_version, "Version that /app-version tells");
}

}  // namespace

int main(int argc, char** argv) {
  cli::Tool tool(
      "trickle-serve",
      "Process trickle streams behind an HTTP API, each in a chain of programs that is kept alive.");
  Options options;
  options.serve.api.app_version = version();
  add_options(tool.app(), options);
  return tool.run(argc, argv, [&](cli::Context& context) { return run(options, context); });
}
