// The only file that sees LibTorch: a TorchScript module as an effect. Built as a module of its own.
#include <fmt/format.h>
#include <torch/cuda.h>
#include <torch/script.h>

#include <filesystem>
#include <span>
#include <utility>

#include "base/log.h"
#include "base/try.h"
#include "fx/torch_options.h"
#include "trickle/version.h"
#include "value_json.h"

namespace trickle::fx {
namespace {

// LibTorch's messages carry a stack trace; the first line is the sentence. Where the script itself failed it
// is the last one.
std::string first_line(const std::string& text) {
  std::string line = text.substr(0, text.find('\n'));
  if (!line.starts_with("The following operation failed")) return line;
  const size_t end = text.find_last_not_of(" \n:");
  const size_t begin = text.rfind('\n', end);
  return text.substr(begin + 1, end - begin);
}

Result<torch::Device> choose_device(const std::string& name) {
  if (name == "auto") return torch::Device(torch::cuda::is_available() ? torch::kCUDA : torch::kCPU);
  if (name.starts_with("cuda") && !torch::cuda::is_available()) {
    return unexpected(ErrorKind::kUsage,
                      fmt::format("torchscript: device={}: there is no CUDA device, or this LibTorch "
                                  "was built without CUDA",
                                  name));
  }
  try {
    const torch::Device device(name);
    if (device.is_cuda() && device.has_index() &&
        device.index() >= static_cast<int>(torch::cuda::device_count())) {
      return unexpected(ErrorKind::kUsage,
                        fmt::format("torchscript: device={}: this machine has {} CUDA devices", name,
                                    torch::cuda::device_count()));
    }
    return device;
  } catch (const std::exception&) {
    return unexpected(ErrorKind::kUsage,
                      fmt::format("torchscript: device={}: must be auto, cpu, cuda or cuda:N", name));
  }
}

class TorchEffect final : public Effect {
 public:
  TorchEffect(TorchOptions options, EffectHostPtr host, torch::jit::Module module, torch::Device device)
      : options_(std::move(options)), host_(std::move(host)), module_(std::move(module)), device_(device) {}

  Result<void> process(VideoFrame& frame, Frames& out) override {
    if (options_.batch == 1) return run_one(frame, out);
    if (!held_.empty() && !is_like(held_.front(), frame)) TRICKLE_TRY(finish(out));
    held_.push_back(std::move(frame));
    return held_.size() < options_.batch ? Result<void>() : finish(out);
  }

  // Runs what is held. A batch that fails is run frame by frame, so that only the frames that are at fault
  // suffer.
  Result<void> finish(Frames& out) override {
    Frames frames = std::exchange(held_, {});
    if (frames.size() > 1 && run(frames, out)) return {};
    for (VideoFrame& frame : frames) {
      auto done = run_one(frame, out);
      if (done) continue;
      const std::string sentence = "a frame passed unchanged: " + done.error().to_string();
      log::warning("{}", sentence);
      host_->untouched(Untouched::kFailed);
      host_->event("effect_failed", sentence);
      out.push_back(std::move(frame));
    }
    return {};
  }

  // The first runs of a script are its slowest: it is profiled and compiled in them.
  Result<void> warm_up() {
    constexpr int kSide = 64, kRuns = 3;
    VideoFrame grey = make_video_frame(PixelFormat::kRgb24, kSide, kSide);
    std::fill_n(grey.planes[0].data, packed_picture_bytes(grey.format, kSide, kSide), uint8_t{128});
    const Frames batch(options_.batch, grey);
    warming_up_ = true;
    for (int i = 0; i < kRuns; ++i) {
      Frames made;
      TRICKLE_TRY(run(batch, made));
    }
    warming_up_ = false;
    return {};
  }

 private:
  static bool is_like(const VideoFrame& a, const VideoFrame& b) {
    return a.width == b.width && a.height == b.height && a.format == b.format;
  }

  Result<void> run_one(VideoFrame& frame, Frames& out) { return run(std::span(&frame, 1), out); }

  // Appends as many frames as it is given, or nothing.
  Result<void> run(std::span<const VideoFrame> frames, Frames& out) {
    try {
      const c10::InferenceMode no_gradients;
      const torch::jit::IValue result = module_.forward({to_tensor(frames)});
      const torch::jit::IValue* picture = take_apart(result);
      if (picture == nullptr) {  // A model that only looks.
        out.insert(out.end(), frames.begin(), frames.end());
        return {};
      }
      const torch::Tensor tensor = to_floats(picture->toTensor());
      TRICKLE_TRY(check(tensor, frames.size()));
      for (size_t i = 0; i < frames.size(); ++i) {
        out.push_back(to_frame(tensor.select(0, static_cast<int64_t>(i)), frames[i]));
      }
      return {};
    } catch (const std::exception& exception) {
      return unexpected(ErrorKind::kInternal,
                        fmt::format("torchscript: the model failed: {}", first_line(exception.what())));
    }
  }

  torch::Tensor to_tensor(std::span<const VideoFrame> frames) const {
    const VideoFrame& first = frames.front();
    const auto count = static_cast<int64_t>(frames.size());
    const bool planar = options_.layout == TensorLayout::kNchw;
    torch::Tensor tensor = planar ? torch::empty({count, 3, first.height, first.width})
                                  : torch::empty({count, first.height, first.width, 3});
    const int64_t one = tensor.numel() / count;
    for (int64_t i = 0; i < count; ++i) {
      picture_to_floats(frames[static_cast<size_t>(i)], options_.layout, tensor.data_ptr<float>() + i * one);
    }
    if (options_.uint8) tensor = tensor.mul_(255).round_().to(torch::kUInt8);
    return tensor.to(device_);
  }

  // A model may give more than the picture: the first tensor of what it returns is that, the rest goes to the
  // data channel.
  const torch::jit::IValue* take_apart(const torch::jit::IValue& result) {
    if (result.isTensor()) return &result;
    if (!result.isTuple()) {
      send(result);
      return nullptr;
    }
    const torch::jit::IValue* picture = nullptr;
    for (const auto& element : result.toTupleRef().elements()) {
      if (picture == nullptr && element.isTensor()) {
        picture = &element;
      } else {
        send(element);
      }
    }
    return picture;
  }

  void send(const torch::jit::IValue& value) {
    if (warming_up_) return;
    if (const auto json = to_json(value)) host_->data(*json);
  }

  static torch::Tensor to_floats(const torch::Tensor& tensor) {
    const torch::Tensor floats = tensor.scalar_type() == torch::kUInt8 ? tensor.to(torch::kFloat32).div_(255)
                                                                       : tensor.to(torch::kFloat32);
    return floats.to(torch::kCPU).contiguous();
  }

  // Sizes of a result by name, whatever its layout.
  struct Shape {
    int64_t height, width, channels;
  };
  [[nodiscard]] Shape shape_of(const torch::Tensor& t) const {
    if (options_.layout == TensorLayout::kNchw) return {t.size(2), t.size(3), t.size(1)};
    return {t.size(1), t.size(2), t.size(3)};
  }

  [[nodiscard]] Result<void> check(const torch::Tensor& tensor, size_t count) const {
    constexpr int64_t kLargestSide = 16384;
    if (tensor.dim() == 4 && tensor.size(0) == static_cast<int64_t>(count)) {
      const auto [height, width, channels] = shape_of(tensor);
      const bool channels_fit = channels == 1 || channels == 3 || channels == 4;
      if (channels_fit && height > 0 && width > 0 && height <= kLargestSide && width <= kLargestSide)
        return {};
    }
    return unexpected(
        ErrorKind::kInternal,
        fmt::format("torchscript: the model returned a tensor of shape {}, not [{},H,W,C] (or [{},C,H,W]) "
                    "with 1, 3 or 4 channels",
                    fmt::join(tensor.sizes().vec(), "x"), count, count));
  }

  // `tensor` is one picture, without the batch's dimension.
  [[nodiscard]] VideoFrame to_frame(const torch::Tensor& tensor, const VideoFrame& like) const {
    const auto [height, width, channels] = shape_of(tensor.unsqueeze(0));
    VideoFrame frame = make_video_frame(like.format, static_cast<int>(width), static_cast<int>(height));
    copy_properties(like, frame);
    floats_to_picture(tensor.data_ptr<float>(), static_cast<int>(channels), options_.layout, frame);
    return frame;
  }

  TorchOptions options_;
  EffectHostPtr host_;
  torch::jit::Module module_;
  torch::Device device_;
  Frames held_;
  bool warming_up_ = false;
};

Result<std::unique_ptr<Effect>> create(const TorchOptions& options, const EffectHostPtr& host) {
  if (!std::filesystem::is_regular_file(options.model)) {
    return unexpected(ErrorKind::kUsage, fmt::format("torchscript: model={}: no such file", options.model));
  }
  auto device = choose_device(options.device);
  if (!device) return unexpected(std::move(device).error());
  try {
    torch::jit::Module module = torch::jit::load(options.model, *device);
    module.eval();
    auto effect = std::make_unique<TorchEffect>(options, host, std::move(module), *device);
    if (auto warm = effect->warm_up(); !warm) return unexpected(std::move(warm).error());
    return std::unique_ptr<Effect>(std::move(effect));
  } catch (const std::exception& exception) {
    return unexpected(ErrorKind::kUsage, fmt::format("torchscript: model={}: not a TorchScript module: {}",
                                                     options.model, first_line(exception.what())));
  }
}

}  // namespace
}  // namespace trickle::fx

extern "C" __attribute__((visibility("default")))
const trickle::fx::TorchEntry trickle_torch_entry{trickle::version(), trickle::fx::create};
