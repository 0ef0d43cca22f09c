// trickle-sub: reads a channel to standard output, or to one file for each segment.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>

#include "base/log.h"
#include "base/try.h"
#include "cli/completion.h"
#include "cli/connection_options.h"
#include "cli/option_values.h"
#include "cli/tool.h"
#include "io/fd_io.h"
#include "io/whole_file.h"
#include "trickle/channel_info.h"
#include "trickle/subscriber.h"

namespace {

using namespace trickle;
using Kind = SubscriberPiece::Kind;
using std::chrono::milliseconds;

struct Options {
  cli::ConnectionArguments connection;
  std::string url;
  std::string start = "current";
  std::optional<uint64_t> segments;
  std::string wait;
  std::string on_gap = "latest";
  bool lines = false;
  std::string dir;
  std::string idle_timeout = "0";
  bool info = false;
  bool json = false;
};

void add_options(CLI::App& app, Options& options) {
  app.add_option("URL", options.url, "Channel to read, else $TRICKLE_SUBSCRIBE_URL")
      ->envname("TRICKLE_SUBSCRIBE_URL")
      ->type_name("")
      ->required();
  auto* start = app.add_option("--start", options.start,
                               "Where to begin: current, next, oldest, a number, or -N for the Nth newest")
                    ->type_name("WHERE");
  cli::suggest(start, {"current", "next", "oldest"});
  app.add_option("--segments", options.segments, "Stop after N segments")->type_name("N");
  app.add_option("--wait", options.wait, "Wait for a channel that is not there yet, SECONDS at most")
      ->expected(0, 1)
      ->default_str("")
      ->type_name("[=SECONDS]");
  app.add_option("--on-gap", options.on_gap, "After segments were missed go on with the latest or the oldest")
      ->check(CLI::IsMember({"latest", "oldest"}))
      ->type_name("WHICH");
  app.add_flag("--lines", options.lines, "End each segment with a newline, for channels of JSON");
  app.add_option("--dir", options.dir, "Write each segment to a file SEQ.ts in DIR instead")
      ->type_name("DIR");
  app.add_option("--idle-timeout", options.idle_timeout,
                 "Give up when nothing has come for so long; 0: never")
      ->type_name("DURATION");
  auto* info =
      app.add_flag("--info", options.info,
                   "Print what is in the channel and stop: next number, sizes, codecs, resolution, fps, GOP");
  app.add_flag("--json", options.json, "With --info: as JSON")->needs(info);
  cli::add_connection_options(app, options.connection);
}

// Where segments go. Bytes and ends come in turn.
class Output {
 public:
  Output(const Options& options, cli::Context& context) : options_(options), context_(context) {}

  Result<void> write(const SubscriberPiece& piece) {
    context_.counters.bytes_out += piece.bytes.size();
    last_byte_ = piece.bytes.back();
    inside_ = true;
    if (options_.dir.empty()) return write_until_stopped(STDOUT_FILENO, piece.bytes, context_.stop);
    if (!file_) {
      TRICKLE_TRY_ASSIGN(WholeFile file,
                         WholeFile::create(fmt::format("{}/{}.ts", options_.dir, piece.segment)));
      file_.emplace(std::move(file));
    }
    return file_->write(piece.bytes);
  }

  Result<void> end_segment(const SubscriberPiece& piece) {
    if (!std::exchange(inside_, false)) return {};
    ++context_.counters.segments_out;
    if (!options_.dir.empty()) {
      Result<void> done = piece.complete ? file_->commit() : Result<void>();
      if (!piece.complete) log::warning("segment {} is not complete and not kept", piece.segment);
      file_.reset();
      return done;
    }
    if (!options_.lines || last_byte_ == std::byte{'\n'}) return {};
    const std::byte newline{'\n'};
    ++context_.counters.bytes_out;
    return write_until_stopped(STDOUT_FILENO, std::span(&newline, 1), context_.stop);
  }

 private:
  const Options& options_;
  cli::Context& context_;
  std::optional<WholeFile> file_;
  std::byte last_byte_{};
  bool inside_ = false;
};

Result<SubscriberOptions> subscriber_options(const Options& options, const CLI::App& app,
                                             cli::Context& context) {
  SubscriberOptions result;
  result.url = options.url;
  TRICKLE_TRY_ASSIGN(result.connection, cli::resolve_connection(options.connection));
  result.start = options.start;
  result.segments = options.segments;
  result.on_gap = options.on_gap == "oldest" ? OnGap::kOldest : OnGap::kLatest;
  if (app.count("--wait") > 0 || !options.wait.empty()) {
    result.wait_for_channel = std::chrono::hours(24 * 365);
    if (!options.wait.empty()) {
      TRICKLE_TRY_ASSIGN(result.wait_for_channel, cli::duration_option("--wait", options.wait));
    }
  }
  TRICKLE_TRY_ASSIGN(result.idle_timeout, cli::duration_option("--idle-timeout", options.idle_timeout));
  result.stop_fd = context.stop.fd();
  if (options.dir.empty()) result.output_fd = STDOUT_FILENO;
  result.counters = &context.counters;
  return result;
}

Result<void> prepare_output(const Options& options) {
  if (options.dir.empty()) return options.lines ? Result<void>() : cli::refuse_terminal(STDOUT_FILENO);
  std::error_code error;
  std::filesystem::create_directories(options.dir, error);
  if (error) return unexpected(ErrorKind::kIo, fmt::format("--dir {}: {}", options.dir, error.message()));
  return {};
}

Result<void> copy(Subscriber& subscriber, Output& output) {
  while (true) {
    TRICKLE_TRY_ASSIGN(const SubscriberPiece piece, subscriber.read());
    switch (piece.kind) {
      case Kind::kBytes:
        TRICKLE_TRY(output.write(piece));
        break;
      case Kind::kSegmentEnd:
        TRICKLE_TRY(output.end_segment(piece));
        break;
      case Kind::kEndOfStream:
        return {};
    }
  }
}

Result<void> print_info(const Options& options, const CLI::App& app, cli::Context& context) {
  TRICKLE_TRY_ASSIGN(const SubscriberOptions wanted, subscriber_options(options, app, context));
  TRICKLE_TRY_ASSIGN(const ChannelInfo info, inspect_channel(wanted));
  const std::string text = options.json ? to_json(info) : to_text(info);
  return write_until_stopped(STDOUT_FILENO, std::as_bytes(std::span(text)), context.stop);
}

Result<void> run(const Options& options, const CLI::App& app, cli::Context& context) {
  if (options.info) return print_info(options, app, context);
  TRICKLE_TRY(prepare_output(options));
  TRICKLE_TRY_ASSIGN(SubscriberOptions wanted, subscriber_options(options, app, context));
  TRICKLE_TRY_ASSIGN(const auto subscriber, Subscriber::open(std::move(wanted)));
  Output output(options, context);
  Result<void> result = copy(*subscriber, output);
  log::info("received {} segments, {} bytes, {} gaps", context.counters.segments_in.load(),
            context.counters.bytes_in.load(), subscriber->gaps());
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  cli::Tool tool("trickle-sub", "Read a trickle channel to standard output.");
  Options options;
  add_options(tool.app(), options);
  return tool.run(argc, argv, [&](cli::Context& context) { return run(options, tool.app(), context); });
}
