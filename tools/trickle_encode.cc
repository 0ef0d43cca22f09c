// trickle-encode: frames in, MPEG-TS out.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <memory>
#include <string>
#include <system_error>

#include "base/log.h"
#include "base/try.h"
#include "base/units.h"
#include "cli/codec_options.h"
#include "cli/tool.h"
#include "codec/continuation.h"
#include "codec/first_size.h"
#include "codec/open.h"
#include "io/open_file.h"
#include "media/pump.h"

namespace {

using namespace trickle;

struct Options {
  std::string input = "-";
  bool keep_size = false;
  std::string timeline;
  EncodeOptions encode;
};

void sum_up(const Counters& counters) {
  log::info("encoded {} of {} frames, {} audio packets, {} written, {} dropped", counters.frames_out.load(),
            counters.frames_in.load(), counters.audio_out.load(), format_bytes(counters.bytes_out),
            counters.drops_total());
}

Result<UniqueFd> open_timeline(const std::string& where) {
  constexpr std::string_view kDescriptor = "fd:";
  int fd = -1;
  if (where.starts_with(kDescriptor)) {
    const char* end = where.data() + where.size();
    const auto [rest, failure] = std::from_chars(where.data() + kDescriptor.size(), end, fd);
    if (failure != std::errc() || rest != end || fd <= STDERR_FILENO || ::fcntl(fd, F_GETFD) < 0) {
      return unexpected(ErrorKind::kUsage, "--timeline " + where + ": there is no such descriptor");
    }
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  } else {
    fd = ::open(where.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
      return unexpected(ErrorKind::kIo,
                        "--timeline " + where + ": " + std::generic_category().message(errno));
    }
  }
  return UniqueFd(fd);
}

Result<void> run(const Options& options, cli::Context& context) {
  TRICKLE_TRY(cli::refuse_terminal(STDOUT_FILENO));
  UniqueFd timeline;
  if (!options.timeline.empty()) {
    TRICKLE_TRY_ASSIGN(timeline, open_timeline(options.timeline));
  }
  TRICKLE_TRY_ASSIGN(const UniqueFd input, open_to_read(options.input));
  DecodeOptions decode;  // Encoded input is decoded first, with the defaults.
  decode.threads = options.encode.threads;
  TRICKLE_TRY_ASSIGN(OpenedInput opened, open_input(input.get(), decode, context.counters, context.stop));
  if (opened.kind == InputKind::kEmpty) {
    log::warning("the input is empty");
    return {};
  }
  if (options.keep_size) opened.source = keep_first_size(std::move(opened.source));
  if (timeline) {
    opened.source = continue_timeline(std::move(opened.source), std::move(timeline), context.counters);
  }
  TRICKLE_TRY_ASSIGN(
      const std::unique_ptr<FrameSink> sink,
      open_encoded_output(STDOUT_FILENO, opened.source->info(), options.encode, context.counters));
  Result<void> result = pump(*opened.source, *sink);
  sum_up(context.counters);
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  trickle::cli::Tool tool("trickle-encode", "Encode a stream of frames to MPEG-TS on standard output.");
  Options options;
  tool.app().add_option("INPUT", options.input, "File of frames; - is standard input")->type_name("FILE");
  trickle::cli::add_encode_options(tool.app(), options.encode);
  tool.app().add_flag("--keep-size", options.keep_size, "Scale frames of another size to that of the first");
  tool.app()
      .add_option("--timeline", options.timeline,
                  "Remember in this file how far the timestamps came, and go on behind them the next time")
      ->type_name("FILE|fd:N");
  return tool.run(argc, argv, [&](trickle::cli::Context& context) { return run(options, context); });
}
