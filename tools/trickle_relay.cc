// trickle-relay: the trickle server.
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>

#include "base/log.h"
#include "base/try.h"
#include "base/units.h"
#include "cli/listen_options.h"
#include "cli/option_values.h"
#include "cli/tool.h"
#include "http/tls.h"
#include "io/machine.h"
#include "trickle/relay_server.h"

namespace {

using namespace std::chrono_literals;
using namespace trickle;

// For readers that take their time with what they were sent when the relay ended.
constexpr auto kFarewellTime = 2s;
// Left for logs, statistics and files, where connections may have all others.
constexpr size_t kOwnDescriptors = 64;

struct Options {
  cli::ListenOptions listen{.listen = "127.0.0.1:3389", .port_file = {}};
  std::string base_path = "/";
  bool no_autocreate = false;
  std::vector<std::string> channels;
  bool changefeed = false;
  size_t window = 5;
  std::string max_segment_bytes = "64M";
  std::string max_channel_bytes = "256M";
  std::string memory = "half";
  size_t max_channels = 0;
  size_t max_connections = 0;
  size_t threads = 0;
  std::string idle_timeout = "5m";
  std::string drain = "5s";
  std::string publish_token_file;
  std::string subscribe_token_file;
  std::string admin_token_file;
  std::vector<std::string> cors_origins;
  std::string tls_cert;
  std::string tls_key;
};

void add_options(CLI::App& app, Options& options) {
  cli::add_listen_options(app, options.listen);
  app.add_option("--base-path", options.base_path, "Where channels begin, like /ai/trickle/")
      ->type_name("PATH");
  app.add_flag("--no-autocreate", options.no_autocreate, "Serve only the channels named by --channel");
  app.add_option("--channel", options.channels, "Make this channel at the start, and keep it (repeatable)")
      ->type_name("NAME")
      ->default_str("")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_flag("--changefeed", options.changefeed, "Publish channels made and ended in the channel _changes");
  app.add_option("--window", options.window, "Segments kept for each channel")
      ->type_name("N")
      ->check(CLI::Range(1, 100000));
  app.add_option("--max-segment-bytes", options.max_segment_bytes, "Longest segment")->type_name("BYTES");
  app.add_option("--max-channel-bytes", options.max_channel_bytes, "Most that one channel keeps")
      ->type_name("BYTES");
  app.add_option("--memory", options.memory,
                 "Most that channels and connections take; half: of the machine's")
      ->type_name("BYTES");
  app.add_option("--max-channels", options.max_channels, "Most channels; 0: any number")->type_name("N");
  app.add_option("--max-connections", options.max_connections, "Most connections; 0: as many as descriptors")
      ->type_name("N");
  app.add_option("--threads", options.threads, "Threads that serve connections; 0: one for each core")
      ->type_name("N")
      ->check(CLI::Range(0, 256));
  app.add_option("--idle-timeout", options.idle_timeout, "End channels that nothing is written to")
      ->type_name("DURATION");
  app.add_option("--drain", options.drain, "Time for open segments to end at shutdown")
      ->type_name("DURATION");
  app.add_option("--publish-token-file", options.publish_token_file,
                 "Lines of TOKEN [CHANNEL-PATTERN] that open POST and DELETE")
      ->type_name("FILE");
  app.add_option("--subscribe-token-file", options.subscribe_token_file, "The same for GET")
      ->type_name("FILE");
  app.add_option("--admin-token-file", options.admin_token_file,
                 "The same for everything, /_channels and /_metrics too")
      ->type_name("FILE");
  app.add_option("--cors-origin", options.cors_origins,
                 "Let pages of this origin in browsers read answers; *: of any (repeatable)")
      ->type_name("ORIGIN")
      ->default_str("")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  auto* tls_cert = app.add_option("--tls-cert", options.tls_cert, "Speak HTTPS with this certificate (PEM)")
                       ->type_name("FILE");
  auto* tls_key = app.add_option("--tls-key", options.tls_key, "And its private key")->type_name("FILE");
  tls_cert->needs(tls_key);
  tls_key->needs(tls_cert);
}

bool has_files_to_reload(const Options& options) {
  return !options.publish_token_file.empty() || !options.subscribe_token_file.empty() ||
         !options.admin_token_file.empty() || !options.tls_cert.empty();
}

Result<AccessRules> access_rules(const Options& options) {
  return read_access_rules(options.publish_token_file, options.subscribe_token_file,
                           options.admin_token_file);
}

using TlsIdentityPtr = std::shared_ptr<const http::TlsIdentity>;

// Null without --tls-cert.
Result<TlsIdentityPtr> tls_identity(const Options& options) {
  if (options.tls_cert.empty()) return TlsIdentityPtr();
  auto identity = http::TlsIdentity::read(options.tls_cert, options.tls_key);
  if (identity) return identity;
  return unexpected(ErrorKind::kUsage, "--tls-cert and --tls-key: " + identity.error().message());
}

Result<uint64_t> memory_of(const Options& options) {
  if (options.memory == "half") return usable_memory_bytes() / 2;
  return cli::size_option("--memory", options.memory);
}

// Connections, requests and answers on their way count too.
uint64_t connections_share(uint64_t memory_bytes) { return memory_bytes / 4; }

Result<http::ServerOptions> server_options(const Options& options, size_t descriptors) {
  http::ServerOptions server;
  TRICKLE_TRY_ASSIGN(const uint64_t memory_bytes, memory_of(options));
  server.max_buffered_bytes = connections_share(memory_bytes);
  server.max_connections = options.max_connections;
  if (server.max_connections == 0 && descriptors > 2 * kOwnDescriptors)
    server.max_connections = descriptors - kOwnDescriptors;
  server.server_name = "trickle-relay";
  return server;
}

Result<RelayOptions> relay_options(const Options& options) {
  RelayOptions relay;
  TRICKLE_TRY_ASSIGN(relay.base_path, normal_base_path(options.base_path));
  for (const auto& channel : options.channels) TRICKLE_TRY(check_channel_name(channel));
  for (const auto& origin : options.cors_origins) TRICKLE_TRY(check_cors_origin(origin));
  relay.cors_origins = options.cors_origins;
  relay.autocreate = !options.no_autocreate;
  relay.channels = options.channels;
  relay.changefeed = options.changefeed;
  relay.window = options.window;
  TRICKLE_TRY_ASSIGN(relay.max_segment_bytes,
                     cli::size_option("--max-segment-bytes", options.max_segment_bytes));
  TRICKLE_TRY_ASSIGN(relay.max_channel_bytes,
                     cli::size_option("--max-channel-bytes", options.max_channel_bytes));
  TRICKLE_TRY_ASSIGN(const uint64_t memory_bytes, memory_of(options));
  relay.memory_bytes = memory_bytes - connections_share(memory_bytes);
  if (options.max_channels > 0) relay.max_channels = options.max_channels;
  TRICKLE_TRY_ASSIGN(relay.idle_timeout, cli::duration_option("--idle-timeout", options.idle_timeout));
  TRICKLE_TRY_ASSIGN(relay.access, access_rules(options));
  return relay;
}

size_t threads_of(const Options& options) { return options.threads > 0 ? options.threads : usable_cores(); }

// What SIGHUP reads anew. What is wrong with a file is said, and what was read before stays.
void reload(const Options& options, RelayServer& server) {
  auto rules = access_rules(options);
  if (!rules) return log::error("not reloaded: {}", rules.error().to_string());
  auto identity = tls_identity(options);
  if (!identity) return log::error("not reloaded: {}", identity.error().to_string());
  server.set_access(*rules);
  server.use_tls(*identity);
  log::info("reloaded tokens and certificate");
}

// Only where there is something to reload: elsewhere SIGHUP ends the program, as of old.
void reload_on_hangup(boost::asio::signal_set& signals, const Options& options, RelayServer& server) {
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (error) return;
    reload(options, server);
    reload_on_hangup(signals, options, server);
  });
}

Result<void> run(const Options& options, cli::Context& context) {
  TRICKLE_TRY_ASSIGN(const Endpoint wanted, cli::listen_endpoint(options.listen));
  TRICKLE_TRY_ASSIGN(RelayOptions relay_config, relay_options(options));
  TRICKLE_TRY_ASSIGN(const http::ServerOptions server_config,
                     server_options(options, raise_descriptor_limit()));
  TRICKLE_TRY_ASSIGN(const std::chrono::milliseconds drain, cli::duration_option("--drain", options.drain));
  TRICKLE_TRY_ASSIGN(const TlsIdentityPtr identity, tls_identity(options));

  boost::asio::io_context io(1);
  RelayServer server(io, std::move(relay_config), server_config, threads_of(options), &context.counters);
  server.use_tls(identity);
  TRICKLE_TRY_ASSIGN(const Endpoint bound, server.listen(wanted));
  TRICKLE_TRY(cli::announce_listening(options.listen, bound, identity ? "https" : "http"));

  boost::asio::signal_set hangup(io);
  if (has_files_to_reload(options)) {
    hangup.add(SIGHUP);
    reload_on_hangup(hangup, options, server);
  }

  boost::asio::posix::stream_descriptor stop(io, ::dup(context.stop.fd()));
  stop.async_wait(boost::asio::posix::stream_descriptor::wait_read, [&](const boost::system::error_code&) {
    log::info("stopping: open segments have {} to end", format_duration(drain));
    server.shutdown(drain, kFarewellTime, [&] { io.stop(); });
  });
  io.run();
  log::info("{}", server.summary());
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  cli::Tool tool("trickle-relay", "Serve trickle channels: publishers POST segments, subscribers GET them.");
  Options options;
  add_options(tool.app(), options);
  return tool.run(argc, argv, [&](cli::Context& context) { return run(options, context); });
}
