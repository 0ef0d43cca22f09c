// trickle-pub: publishes standard input as a channel, cut into segments.
#include <fmt/format.h>

#include <map>

#include "base/log.h"
#include "base/try.h"
#include "cli/completion.h"
#include "cli/connection_options.h"
#include "cli/option_values.h"
#include "cli/tool.h"
#include "trickle/stream_publisher.h"
#include "trickle/wire.h"

namespace {

using namespace trickle;
using std::chrono::milliseconds;

struct Options {
  cli::ConnectionArguments connection;
  std::string url;
  std::string split = "auto";
  std::string min_segment = "1s";
  std::string max_segment = "10s";
  std::string content_type = "auto";
  std::string on_lag = "block";
  std::string buffer = "32M";
  std::string start = "next";
  bool keep_channel = false;
  bool keep_newline = false;
};

void add_options(CLI::App& app, Options& options) {
  app.add_option("URL", options.url, "Channel to publish, else $TRICKLE_PUBLISH_URL")
      ->envname("TRICKLE_PUBLISH_URL")
      ->type_name("")
      ->required();
  auto* split = app.add_option("--split", options.split,
                               "Where segments begin: auto, keyframe, line, eof, bytes:N or seconds:S")
                    ->type_name("HOW");
  cli::suggest(split, {"auto", "keyframe", "line", "eof"});
  app.add_flag("--keep-newline", options.keep_newline,
               "Under --split line: lines are sent with their newlines");
  app.add_option("--min-segment", options.min_segment,
                 "No segment of media is shorter, in its time and on the clock")
      ->type_name("DURATION");
  app.add_option("--max-segment", options.max_segment,
                 "From then on a recovery point will do for a keyframe; 0: never")
      ->type_name("DURATION");
  auto* type = app.add_option("--content-type", options.content_type, "Content type of the channel, or auto")
                   ->type_name("TYPE");
  cli::suggest(type, {"auto", "video/mp2t", "application/json", "application/jsonl", "text/plain"});
  app.add_option("--on-lag", options.on_lag, "When the server is too slow: block, drop or fail")
      ->check(CLI::IsMember({"block", "drop", "fail"}))
      ->type_name("WHAT");
  app.add_option("--buffer", options.buffer, "Most that is held for a slow server")->type_name("SIZE");
  app.add_option("--start", options.start, "Number of the first segment: next or N")->type_name("next|N");
  app.add_flag("--keep-channel", options.keep_channel, "Don't end the channel at the end of the input");
  cli::add_connection_options(app, options.connection);
}

Result<PublisherOptions> publisher_options(const Options& options, cli::Context& context) {
  static const std::map<std::string, OnLag> kOnLag{
      {"block", OnLag::kBlock}, {"drop", OnLag::kDrop}, {"fail", OnLag::kFail}};
  PublisherOptions result;
  result.url = options.url;
  TRICKLE_TRY_ASSIGN(result.connection, cli::resolve_connection(options.connection));
  result.on_lag = kOnLag.at(options.on_lag);
  TRICKLE_TRY_ASSIGN(result.buffer_bytes, cli::size_option("--buffer", options.buffer));
  if (options.start != "next") {
    result.start = parse_sequence(options.start);
    if (!result.start) {
      return unexpected(ErrorKind::kUsage, fmt::format("--start {}: write next or a number", options.start));
    }
  }
  result.keep_channel = options.keep_channel;
  result.stop_fd = context.stop.fd();
  result.counters = &context.counters;
  return result;
}

Result<TsCutterOptions> cutter_options(const Options& options) {
  TsCutterOptions result;
  TRICKLE_TRY_ASSIGN(result.min_segment, cli::duration_option("--min-segment", options.min_segment));
  TRICKLE_TRY_ASSIGN(result.max_segment, cli::duration_option("--max-segment", options.max_segment));
  return result;
}

Result<StreamPublisherOptions> stream_options(const Options& options, cli::Context& context) {
  StreamPublisherOptions result;
  TRICKLE_TRY_ASSIGN(result.publisher, publisher_options(options, context));
  TRICKLE_TRY_ASSIGN(result.ts, cutter_options(options));
  TRICKLE_TRY_ASSIGN(result.split, parse_split_mode(options.split));
  if (options.keep_newline && result.split.kind != SplitMode::Kind::kLine) {
    return unexpected(ErrorKind::kUsage, "--keep-newline needs --split line");
  }
  result.split.keep_newline = options.keep_newline;
  if (options.content_type != "auto") result.content_type = options.content_type;
  return result;
}

Result<void> run(const Options& options, cli::Context& context) {
  TRICKLE_TRY_ASSIGN(StreamPublisherOptions wanted, stream_options(options, context));
  StreamPublisher publication(std::move(wanted));
  TRICKLE_TRY(publication.prepare());
  const Result<void> copied = publication.copy(STDIN_FILENO, context.stop);
  const Result<void> finished = publication.finish();
  const PublisherTotals totals = publication.totals();
  if (copied && finished && totals.accepted_bytes == 0)
    log::warning("the input was empty: nothing was published");
  log::info("published {} segments, {} bytes; lost {} segments, {} bytes", totals.acknowledged_segments,
            totals.acknowledged_bytes, totals.lost_segments, totals.lost_bytes);
  // The sender knows best why it ended; what went wrong with the input comes second.
  return finished ? copied : finished;
}

}  // namespace

int main(int argc, char** argv) {
  cli::Tool tool("trickle-pub", "Publish standard input as a trickle channel.");
  Options options;
  add_options(tool.app(), options);
  return tool.run(argc, argv, [&](cli::Context& context) { return run(options, context); });
}
