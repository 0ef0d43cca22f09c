#include "cli/codec_options.h"

#include <array>
#include <charconv>
#include <functional>
#include <string>
#include <string_view>

#include "base/units.h"
#include "cli/completion.h"

namespace trickle::cli {
namespace {

constexpr int kMaxSide = 16384;
constexpr int kMaxThreads = 64;
constexpr const char* kDecodeGroup = "Decoding";
constexpr const char* kEncodeGroup = "Encoding";

struct NamedMode {
  std::string_view name;
  AudioMode mode;
};
constexpr std::array kModes{NamedMode{"copy", AudioMode::kCopy}, NamedMode{"pcm", AudioMode::kPcm},
                            NamedMode{"opus", AudioMode::kOpus}, NamedMode{"aac", AudioMode::kAac},
                            NamedMode{"none", AudioMode::kNone}};

AudioMode mode_named(const std::string& name) {
  for (const NamedMode& mode : kModes) {
    if (mode.name == name) return mode.mode;
  }
  throw CLI::ValidationError("--audio", "there is no mode " + name);
}

int parse_int(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : -1;
}

PictureSize parse_size(const std::string& text) {
  const size_t x = text.find('x');
  const PictureSize size{parse_int(std::string_view(text).substr(0, x)),
                         x == std::string::npos ? -1 : parse_int(std::string_view(text).substr(x + 1))};
  if (size.width < 1 || size.height < 1 || size.width > kMaxSide || size.height > kMaxSide) {
    throw CLI::ValidationError("--size", "\"" + text + "\" is no size such as 704x384 (sides up to 16384)");
  }
  return size;
}

PixelFormat parse_format(const std::string& name) {
  // FFmpeg's names say the byte order; everybody leaves it out.
  const PixelFormat plain = pixel_format_from_name(name);
  const PixelFormat format = plain != PixelFormat::kNone ? plain : pixel_format_from_name(name + "le");
  if (format != PixelFormat::kNone) return format;
  throw CLI::ValidationError("--pix-fmt", "\"" + name +
                                              "\" is none of yuv420p, yuv422p, yuv444p, yuv420p10, "
                                              "yuv422p10, yuv444p10, nv12, gray, rgb24, rgba, bgra, gbrp");
}

template <typename T>
T value_or_throw(const char* option, Result<T> result) {
  if (result) return *std::move(result);
  throw CLI::ValidationError(option, result.error().to_string());
}

void add_picture_options(CLI::App& app, DecodeOptions& options) {
  app.add_option_function<std::string>(
         "--size", [&options](const std::string& text) { options.size = parse_size(text); },
         "Scale to cover this size and cut the centre")
      ->type_name("WxH")
      ->group(kDecodeGroup);
  app.add_option_function<double>(
         "--max-fps", [&options](double fps) { options.max_fps = fps; },
         "Drop frames that come faster than this")
      ->check(CLI::Range(0.001, 1000.0))
      ->type_name("N")
      ->group(kDecodeGroup);
  app.add_option_function<std::string>(
         "--pix-fmt", [&options](const std::string& name) { options.format = parse_format(name); },
         "Convert to this pixel format")
      ->type_name("NAME")
      ->group(kDecodeGroup);
  app.add_option("--hwaccel", options.hwaccel, "Decode on this kind of hardware, by FFmpeg's name")
      ->type_name("NAME")
      ->group(kDecodeGroup);
}

void add_threads_option(CLI::App& app, const std::function<void(int)>& set, const char* group) {
  app.add_option_function<int>("--threads", set, "Codec threads; 0: as suits the cores")
      ->check(CLI::Range(0, kMaxThreads))
      ->default_str("0")
      ->type_name("N")
      ->group(group);
}

void add_latency_option(CLI::App& app, const std::function<void(Latency)>& set, const char* group) {
  app.add_option_function<std::string>(
         "--latency",
         [set](const std::string& name) { set(name == "low" ? Latency::kLow : Latency::kThroughput); },
         "Each picture at once, or more pictures a second")
      ->check(CLI::IsMember({"low", "throughput"}))
      ->default_str("low")
      ->type_name("low|throughput")
      ->group(group);
}

void add_audio_option(CLI::App& app, const std::function<void(AudioMode)>& set,
                      std::vector<std::string> modes, const char* group) {
  std::string type;
  for (const std::string& mode : modes) type += (type.empty() ? "" : "|") + mode;
  app.add_option_function<std::string>(
         "--audio", [set](const std::string& name) { set(mode_named(name)); }, "What becomes of audio")
      ->check(CLI::IsMember(std::move(modes)))
      ->default_str("copy")
      ->type_name(type)
      ->group(group);
}

void add_rate_options(CLI::App& app, EncodeOptions& options) {
  app.add_option_function<std::string>(
         "--bitrate",
         [&options](const std::string& text) {
           options.bitrate = value_or_throw("--bitrate", parse_bitrate(text));
         },
         "Video bits per second, such as 2M; replaces --crf")
      ->type_name("RATE")
      ->group(kEncodeGroup);
  app.add_option("--crf", options.crf, "Constant quality, 0 (best) to 51")
      ->check(CLI::Range(0.0, 63.0))
      ->type_name("N")
      ->group(kEncodeGroup);
  app.add_option_function<std::string>(
         "--gop",
         [&options](const std::string& text) {
           options.gop = value_or_throw("--gop", parse_duration(text));
           if (options.gop.count() <= 0)
             throw CLI::ValidationError("--gop", "it must be longer than nothing");
         },
         "Time from keyframe to keyframe")
      ->default_str("2s")
      ->type_name("TIME")
      ->group(kEncodeGroup);
}

void add_encoder_options(CLI::App& app, EncodeOptions& options) {
  suggest(app.add_option("--codec", options.codec, "Video encoder, by FFmpeg's name")
              ->type_name("NAME")
              ->group(kEncodeGroup),
          {"libx264", "libx265", "mpeg2video"});
  suggest(app.add_option("--preset", options.preset, "The encoder's balance of speed and size")
              ->type_name("NAME")
              ->group(kEncodeGroup),
          {"ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"});
  add_rate_options(app, options);
  app.add_option_function<std::vector<std::string>>(
         "-o,--encoder-option",
         [&options](const std::vector<std::string>& pairs) {
           for (const std::string& pair : pairs) {
             const size_t equals = pair.find('=');
             if (equals == 0 || equals == std::string::npos) {
               throw CLI::ValidationError("-o", "\"" + pair + "\" is not KEY=VALUE");
             }
             options.options.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
           }
         },
         "Any other option of the video encoder")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE")
      ->group(kEncodeGroup);
}

}  // namespace

void add_decode_options(CLI::App& app, DecodeOptions& options) {
  add_picture_options(app, options);
  add_audio_option(
      app, [&options](AudioMode mode) { options.audio = mode; }, {"copy", "pcm", "none"}, kDecodeGroup);
  add_threads_option(
      app, [&options](int threads) { options.threads = threads; }, kDecodeGroup);
  add_latency_option(
      app, [&options](Latency latency) { options.latency = latency; }, kDecodeGroup);
}

void add_encode_options(CLI::App& app, EncodeOptions& options) {
  add_encoder_options(app, options);
  add_audio_option(
      app, [&options](AudioMode mode) { options.audio = mode; }, {"copy", "opus", "aac", "none"},
      kEncodeGroup);
  add_threads_option(
      app, [&options](int threads) { options.threads = threads; }, kEncodeGroup);
  add_latency_option(
      app, [&options](Latency latency) { options.latency = latency; }, kEncodeGroup);
}

void add_shm_option(CLI::App& app, bool& shared_memory) {
  app.add_flag("--shm", shared_memory, "Offer frames to the next tool through shared memory")
      ->group("Frames");
  app.add_option_function<std::string>(
         "--transport",
         [&shared_memory](const std::string& name) { shared_memory = shared_memory || name == "shm"; },
         "How frames travel: pipe, or shm, which is --shm")
      ->check(CLI::IsMember({"pipe", "shm"}))
      ->envname("TRICKLE_TRANSPORT")
      ->default_str("pipe")
      ->type_name("pipe|shm")
      ->group("Frames");
}

void add_transcode_options(CLI::App& app, DecodeOptions& decode, EncodeOptions& encode) {
  add_picture_options(app, decode);
  add_encoder_options(app, encode);
  add_audio_option(
      app,
      [&decode, &encode](AudioMode mode) {
        encode.audio = mode;
        decode.audio = mode == AudioMode::kNone ? AudioMode::kNone : AudioMode::kCopy;
      },
      {"copy", "opus", "aac", "none"}, kEncodeGroup);
  add_threads_option(
      app, [&decode, &encode](int threads) { decode.threads = encode.threads = threads; }, kEncodeGroup);
  add_latency_option(
      app, [&decode, &encode](Latency latency) { decode.latency = encode.latency = latency; }, kEncodeGroup);
}

}  // namespace trickle::cli
