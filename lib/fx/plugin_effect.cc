#include "fx/plugin_effect.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

#include "base/log.h"
#include "base/try.h"
#include "fx/frame_pool.h"
#include "fx/plugin_library.h"

namespace trickle::fx {
namespace {

using Values = std::vector<std::pair<std::string, std::string>>;

std::vector<trickle_effect_parameter> to_c(const Values& values) {
  std::vector<trickle_effect_parameter> list;
  for (const auto& [name, value] : values) list.push_back({name.c_str(), value.c_str()});
  return list;
}

void show_pixels(const VideoFrame& frame, trickle_effect_frame& c) {
  c.pixel_format = pixel_format_info(frame.format).name;
  c.width = frame.width;
  c.height = frame.height;
  for (size_t plane = 0; plane < frame.planes.size(); ++plane) {
    c.planes[plane] = frame.planes[plane].data;
    c.stride_bytes[plane] = frame.planes[plane].stride_bytes;
  }
}

trickle_effect_frame to_c(const VideoFrame& frame) {
  trickle_effect_frame c{};
  c.struct_size = sizeof(c);
  show_pixels(frame, c);
  c.pts = frame.timestamp.ticks;
  c.time_base_num = frame.timestamp.time_base.num;
  c.time_base_den = frame.timestamp.time_base.den;
  c.duration = frame.duration_ticks;
  c.color_matrix = frame.color.matrix;
  c.color_range = static_cast<int32_t>(frame.color.range);
  return c;
}

// One running plugin. The library's functions see it as their host.
class PluginEffect final : public Effect {
 public:
  PluginEffect(std::shared_ptr<const PluginLibrary> library, EffectHostPtr host, std::string path)
      : library_(std::move(library)),
        plugin_(library_->entry()),
        program_(std::move(host)),
        path_(std::move(path)) {
    host_.c = {sizeof(trickle_effect_host),
               TRICKLE_EFFECT_ABI_VERSION,
               fail,
               log_line,
               send_data,
               new_picture,
               set_user_data};
    host_.effect = this;
    if (program_->make_converter) {
      to_plugin_ = program_->make_converter();
      from_plugin_ = program_->make_converter();
    }
  }

  ~PluginEffect() override {
    if (created_ && plugin_.destroy != nullptr) plugin_.destroy(state_);
  }

  Result<void> start(const Values& values) {
    const auto parameters = to_c(values);
    TRICKLE_TRY(called("create", plugin_.create(&host_.c, parameters.data(), parameters.size(), &state_)));
    created_ = true;
    return plugin_.load == nullptr ? Result<void>() : called("load", plugin_.load(state_));
  }

  Result<void> process(VideoFrame& frame, Frames& out) override {
    const std::lock_guard lock(mutex_);
    if (plugin_.process_video == nullptr) {
      out.push_back(std::move(frame));
      return {};
    }
    // What fails passes as it came, so the plugin works on pixels of its own unless nobody else needs these.
    TRICKLE_TRY_ASSIGN(current_, make_writable(frame));
    user_data_ = current_.user_data;
    trickle_effect_frame c = to_c(current_);
    if (user_data_) {
      c.user_data = user_data_->data();
      c.user_data_bytes = user_data_->size();
    }
    const int result = plugin_.process_video(state_, &c);
    const VideoFrame made = std::exchange(current_, VideoFrame());
    replaced_.clear();
    if (result == TRICKLE_EFFECT_DROP) return {};
    TRICKLE_TRY(called("process_video", result));
    TRICKLE_TRY_ASSIGN(VideoFrame given, back_to(frame.format, made));
    given.user_data = user_data_;
    out.push_back(std::move(given));
    return {};
  }

  Result<void> process_sound(SoundBlock& block, Sounds& out) override {
    const std::lock_guard lock(mutex_);
    if (plugin_.process_audio == nullptr) {
      out.push_back(std::move(block));
      return {};
    }
    SoundBlock made = block;
    trickle_effect_sound c{sizeof(trickle_effect_sound),
                           made.track,
                           made.sample_rate,
                           made.channels,
                           made.length(),
                           made.samples.data(),
                           made.timestamp.ticks,
                           made.timestamp.time_base.num,
                           made.timestamp.time_base.den};
    TRICKLE_TRY(called("process_audio", plugin_.process_audio(state_, &c)));
    out.push_back(std::move(made));
    return {};
  }

  Result<bool> update(const Parameters& parameters) override {
    if (text(parameters, "path") != path_ || plugin_.update == nullptr) return false;
    TRICKLE_TRY_ASSIGN(const Values values, library_->values(parameters));
    const auto list = to_c(values);
    const std::lock_guard lock(mutex_);
    TRICKLE_TRY(called("update", plugin_.update(state_, list.data(), list.size())));
    return true;
  }

 private:
  struct Host {
    trickle_effect_host c;  // First: plugins hand a pointer to it back.
    PluginEffect* effect;
  };
  static PluginEffect& self(const trickle_effect_host* host) {
    return *reinterpret_cast<const Host*>(host)->effect;
  }

  static void fail(const trickle_effect_host* host, const char* sentence) {
    self(host).failure_ = sentence != nullptr ? sentence : "";
  }
  static void log_line(const trickle_effect_host* host, int level, const char* sentence) {
    const auto severity = level >= TRICKLE_EFFECT_WARNING ? spdlog::level::warn
                          : level == TRICKLE_EFFECT_INFO  ? spdlog::level::info
                                                          : spdlog::level::debug;
    log::write(severity, fmt::format("{}: {}", self(host).path_, sentence != nullptr ? sentence : ""));
  }
  static void send_data(const trickle_effect_host* host, const char* json) {
    if (json != nullptr) self(host).program_->data(json);
  }
  static int new_picture(const trickle_effect_host* host, trickle_effect_frame* frame, int32_t width,
                         int32_t height, const char* pixel_format) {
    return self(host).replace_picture(*frame, width, height, pixel_format);
  }
  static void set_user_data(const trickle_effect_host* host, trickle_effect_frame* frame, const void* bytes,
                            size_t size_bytes) {
    auto& kept = self(host).user_data_;
    kept = std::make_shared<const std::string>(static_cast<const char*>(bytes), size_bytes);
    frame->user_data = kept->data();
    frame->user_data_bytes = kept->size();
  }

  int replace_picture(trickle_effect_frame& c, int32_t width, int32_t height, const char* name) {
    constexpr int32_t kLargestSide = 16384;
    const PixelFormat format = name == nullptr ? current_.format : pixel_format_from_name(name);
    if (!current_.memory || format == PixelFormat::kNone || width < 1 || height < 1 || width > kLargestSide ||
        height > kLargestSide) {
      failure_ = fmt::format("there is no picture of {}x{} {}", width, height, name != nullptr ? name : "");
      return TRICKLE_EFFECT_FAILED;
    }
    VideoFrame made = pool_.take(format, width, height);
    copy_properties(current_, made);
    replaced_.push_back(std::exchange(current_, std::move(made)));
    show_pixels(current_, c);
    return TRICKLE_EFFECT_OK;
  }

  // The result of one of the plugin's functions, with what it said.
  Result<void> called(const char* function, int result) {
    const std::string sentence = std::exchange(failure_, {});
    if (result == TRICKLE_EFFECT_OK) return {};
    return unexpected(ErrorKind::kUsage,
                      sentence.empty() ? fmt::format("plugin: {} of {} returned {}", function, path_, result)
                                       : fmt::format("plugin: {}: {}", path_, sentence));
  }

  [[nodiscard]] PixelFormat wanted(PixelFormat format) const {
    if (plugin_.pixel_formats == nullptr || plugin_.pixel_formats[0] == nullptr) return format;
    for (auto* name = plugin_.pixel_formats; *name != nullptr; ++name) {
      if (pixel_format_from_name(*name) == format) return format;
    }
    return pixel_format_from_name(plugin_.pixel_formats[0]);
  }

  Result<VideoFrame> make_writable(VideoFrame& frame) {
    const PixelFormat format = wanted(frame.format);
    if (format == PixelFormat::kNone) {
      return unexpected(ErrorKind::kUsage,
                        fmt::format("plugin: {} takes no pixel format that there is", path_));
    }
    if (format != frame.format) {
      if (!to_plugin_)
        return unexpected(ErrorKind::kUsage, "plugin: this program can't convert pixel formats");
      return to_plugin_(frame, format);
    }
    VideoFrame copy = pool_.take(frame.format, frame.width, frame.height);
    copy_picture(frame, copy);
    copy_properties(frame, copy);
    return copy;
  }

  Result<VideoFrame> back_to(PixelFormat format, VideoFrame made) {
    if (made.format == format || !from_plugin_ || wanted(format) == format) return made;
    return from_plugin_(std::move(made), format);
  }

  static void copy_picture(const VideoFrame& from, VideoFrame& to) {
    for (int plane = 0; plane < pixel_format_info(from.format).planes; ++plane) {
      const auto p = static_cast<size_t>(plane);
      const size_t row_bytes = plane_row_bytes(from.format, plane, from.width);
      for (int row = 0; row < plane_rows(from.format, plane, from.height); ++row) {
        std::memcpy(to.planes[p].data + row * to.planes[p].stride_bytes,
                    from.planes[p].data + row * from.planes[p].stride_bytes, row_bytes);
      }
    }
  }

  std::shared_ptr<const PluginLibrary> library_;
  const trickle_effect_plugin& plugin_;
  EffectHostPtr program_;
  const std::string path_;
  Host host_{};
  PictureConverter to_plugin_, from_plugin_;

  std::mutex mutex_;  // Held while the plugin runs: updates come on another thread.
  void* state_ = nullptr;
  bool created_ = false;
  std::string failure_;
  FramePool pool_;
  VideoFrame current_;  // What the plugin sees as its frame, while it is in process_video().
  Frames replaced_;
  std::shared_ptr<const std::string> user_data_;
};

Result<std::unique_ptr<Effect>> create(const Parameters& parameters, const EffectHostPtr& host) {
  const std::string& path = text(parameters, "path");
  TRICKLE_TRY_ASSIGN(const auto library, PluginLibrary::open(path));
  TRICKLE_TRY_ASSIGN(const auto values, library->values(parameters));
  auto effect = std::make_unique<PluginEffect>(library, host, path);
  TRICKLE_TRY(effect->start(values));
  return std::unique_ptr<Effect>(std::move(effect));
}

// Whether a library works on sound only it knows itself. One that can't be opened is refused when it is made.
bool takes_sound(const Parameters& parameters) {
  const auto library = PluginLibrary::open(text(parameters, "path"));
  return library && (*library)->entry().process_audio != nullptr;
}

}  // namespace

EffectInfo plugin_effect() {
  return {.name = "plugin",
          .text = "Runs an effect from a shared library; parameters beside path are the library's own.",
          .parameters = {{.name = "path",
                          .type = ParameterType::kString,
                          .default_value = std::string(),
                          .text = "The library's file, or its name in a folder of TRICKLE_PLUGIN_PATH."}},
          .create = create,
          .takes_sound = takes_sound,
          .sound_is_optional = true,
          .reaches_out = true,
          .more_parameters = true};
}

}  // namespace trickle::fx
