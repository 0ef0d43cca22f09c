// trickle-pub: publishes standard input as a channel, cut into segments.
#include <fmt/format.h>

#include <array>
#include <map>
#include <optional>
#include <vector>

#include "base/log.h"
#include "base/try.h"
#include "base/units.h"
#include "cli/connection_options.h"
#include "cli/tool.h"
#include "io/fd_io.h"
#include "media/splitter.h"
#include "trickle/publisher.h"
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
};

void add_options(CLI::App& app, Options& options) {
  app.add_option("URL", options.url, "Channel to publish, else $TRICKLE_PUBLISH_URL")
      ->envname("TRICKLE_PUBLISH_URL")
      ->type_name("")
      ->required();
  app.add_option("--split", options.split,
                 "Where segments begin: auto, keyframe, line, eof, bytes:N or seconds:S")
      ->type_name("HOW");
  app.add_option("--min-segment", options.min_segment,
                 "No segment of media is shorter, in its time and on the clock")
      ->type_name("DURATION");
  app.add_option("--max-segment", options.max_segment,
                 "From then on a recovery point will do for a keyframe; 0: never")
      ->type_name("DURATION");
  app.add_option("--content-type", options.content_type, "Content type of the channel, or auto")
      ->type_name("TYPE");
  app.add_option("--on-lag", options.on_lag, "When the server is too slow: block, drop or fail")
      ->check(CLI::IsMember({"block", "drop", "fail"}))
      ->type_name("WHAT");
  app.add_option("--buffer", options.buffer, "Most that is held for a slow server")->type_name("SIZE");
  app.add_option("--start", options.start, "Number of the first segment: next or N")->type_name("next|N");
  app.add_flag("--keep-channel", options.keep_channel, "Don't end the channel at the end of the input");
  cli::add_connection_options(app, options.connection);
}

class PublisherSink final : public SegmentSink {
 public:
  explicit PublisherSink(Publisher& publisher) : publisher_(publisher) {}
  Result<void> begin_segment() override { return publisher_.begin_segment(); }
  Result<void> end_segment() override { return publisher_.end_segment(); }
  Result<void> write(std::span<const uint8_t> bytes) override {
    return publisher_.write(std::as_bytes(bytes));
  }

 private:
  Publisher& publisher_;
};

Result<PublisherOptions> publisher_options(const Options& options, cli::Context& context) {
  static const std::map<std::string, OnLag> kOnLag{
      {"block", OnLag::kBlock}, {"drop", OnLag::kDrop}, {"fail", OnLag::kFail}};
  PublisherOptions result;
  result.url = options.url;
  TRICKLE_TRY_ASSIGN(result.connection, cli::resolve_connection(options.connection));
  result.on_lag = kOnLag.at(options.on_lag);
  TRICKLE_TRY_ASSIGN(result.buffer_bytes, parse_bytes(options.buffer));
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
  TRICKLE_TRY_ASSIGN(const auto shortest, parse_duration(options.min_segment));
  TRICKLE_TRY_ASSIGN(const auto longest, parse_duration(options.max_segment));
  return TsCutterOptions{.min_segment = std::chrono::ceil<milliseconds>(shortest),
                         .max_segment = std::chrono::ceil<milliseconds>(longest)};
}

// Reads standard input until it is clear what it is, then splits and publishes it.
class Run {
 public:
  Run(const Options& options, cli::Context& context) : options_(options), context_(context) {}

  Result<void> prepare() {
    TRICKLE_TRY_ASSIGN(wanted_, publisher_options(options_, context_));
    TRICKLE_TRY_ASSIGN(ts_, cutter_options(options_));
    TRICKLE_TRY_ASSIGN(mode_, parse_split_mode(options_.split));
    if (mode_.kind == SplitMode::Kind::kAuto) return {};
    return open(mode_, mode_.kind == SplitMode::Kind::kKeyframe ? "video/MP2T"
                       : mode_.kind == SplitMode::Kind::kLine   ? "application/json"
                                                                : "application/octet-stream");
  }

  Result<void> copy() {
    while (true) {
      const std::array<int, 2> wakers{context_.stop.fd(), publisher_ ? publisher_->failure_fd() : -1};
      switch (wait_readable(STDIN_FILENO, wakers, deadline())) {
        case WaitOutcome::kWoken:
          return end_of_input();
        case WaitOutcome::kDeadline:
          TRICKLE_TRY(on_time());
          continue;
        case WaitOutcome::kReadable:
          break;
      }
      TRICKLE_TRY_ASSIGN(const ReadOutcome outcome, read_some(STDIN_FILENO, buffer_, context_.stop));
      if (outcome.status == ReadStatus::kEnd) return end_of_input();
      TRICKLE_TRY(take({reinterpret_cast<const uint8_t*>(buffer_.data()), outcome.size_bytes}));
    }
  }

  /// Call in any case: says what became of what was accepted.
  Result<void> finish() {
    if (!publisher_) {
      log::warning("the input was empty: nothing was published");
      return {};
    }
    Result<void> result = publisher_->finish();
    const PublisherTotals totals = publisher_->totals();
    if (totals.accepted_bytes == 0) log::warning("the input was empty: nothing was published");
    log::info("published {} segments, {} bytes; lost {} segments, {} bytes", totals.acknowledged_segments,
              totals.acknowledged_bytes, totals.lost_segments, totals.lost_bytes);
    return result;
  }

 private:
  Result<void> open(const SplitMode& mode, const std::string& content_type) {
    wanted_.content_type = options_.content_type == "auto" ? content_type : options_.content_type;
    TRICKLE_TRY_ASSIGN(publisher_, Publisher::open(wanted_));
    sink_.emplace(*publisher_);
    splitter_ = make_splitter(mode, ts_, system_clock());
    return {};
  }

  [[nodiscard]] std::optional<TimePoint> deadline() const {
    if (splitter_) return splitter_->deadline();
    return first_byte_at_ ? std::optional(*first_byte_at_ + kProbeTime) : std::nullopt;
  }

  Result<void> on_time() { return splitter_ ? splitter_->on_time(*sink_) : recognize_input(true); }

  Result<void> take(std::span<const uint8_t> bytes) {
    if (splitter_) return splitter_->add(bytes, *sink_);
    if (!first_byte_at_) first_byte_at_ = system_clock().now();
    probed_.insert(probed_.end(), bytes.begin(), bytes.end());
    return recognize_input(false);
  }

  Result<void> recognize_input(bool at_end) {
    const auto seconds =
        std::max(std::chrono::microseconds(ts_.min_segment), std::chrono::microseconds(1000));
    const auto found = recognize(probed_, at_end, seconds);
    if (!found) return {};
    if (found->sure) {
      log::info("the input is {}", found->what);
    } else {
      log::warning(
          "the input is {}, whose keyframes are not known here: cut by time, segments don't stand alone",
          found->what);
    }
    TRICKLE_TRY(open(found->mode, found->content_type));
    const std::vector<uint8_t> first = std::move(probed_);
    return splitter_->add(first, *sink_);
  }

  Result<void> end_of_input() {
    if (!splitter_ && !probed_.empty()) TRICKLE_TRY(recognize_input(true));
    return splitter_ ? splitter_->finish(*sink_) : Result<void>();
  }

  static constexpr milliseconds kProbeTime{200};

  const Options& options_;
  cli::Context& context_;
  PublisherOptions wanted_;
  TsCutterOptions ts_;
  SplitMode mode_;
  std::array<std::byte, 64 * 1024> buffer_{};
  std::vector<uint8_t> probed_;
  std::optional<TimePoint> first_byte_at_;
  std::unique_ptr<Publisher> publisher_;
  std::optional<PublisherSink> sink_;
  std::unique_ptr<Splitter> splitter_;
};

Result<void> run(const Options& options, cli::Context& context) {
  Run publication(options, context);
  TRICKLE_TRY(publication.prepare());
  const Result<void> copied = publication.copy();
  const Result<void> finished = publication.finish();
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
