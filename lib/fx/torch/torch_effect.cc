// The only file that sees LibTorch: a TorchScript module as an effect. Built as a module of its own.
#include <fmt/format.h>
#include <torch/cuda.h>
#include <torch/script.h>

#include <filesystem>
#include <utility>

#include "fx/torch_options.h"
#include "trickle/version.h"

namespace trickle::fx {
namespace {

// LibTorch's messages carry a stack trace; the first line is the sentence.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

Result<torch::Device> choose_device(const std::string& name) {
  if (name == "auto") return torch::Device(torch::cuda::is_available() ? torch::kCUDA : torch::kCPU);
  if (name.starts_with("cuda") && !torch::cuda::is_available()) {
    return unexpected(ErrorKind::kUsage,
                      fmt::format("torchscript: device={}: there is no CUDA device, or this LibTorch "
                                  "was built without CUDA",
                                  name));
  }
  try {
    return torch::Device(name);
  } catch (const std::exception&) {
    return unexpected(ErrorKind::kUsage,
                      fmt::format("torchscript: device={}: must be auto, cpu, cuda or cuda:N", name));
  }
}

class TorchEffect final : public Effect {
 public:
  TorchEffect(TorchOptions options, torch::jit::Module module, torch::Device device)
      : options_(std::move(options)), module_(std::move(module)), device_(device) {}

  Result<void> process(VideoFrame& frame, Frames& out) override {
    try {
      const c10::InferenceMode no_gradients;
      torch::Tensor result = run(to_tensor(frame));
      if (auto fits = check(result); !fits) return unexpected(std::move(fits).error());
      out.push_back(to_frame(result, frame));
      return {};
    } catch (const std::exception& exception) {
      return unexpected(ErrorKind::kInternal,
                        fmt::format("torchscript: the model failed: {}", first_line(exception.what())));
    }
  }

  // The first runs of a script are its slowest: it is profiled and compiled in them.
  Result<void> warm_up() {
    constexpr int kSide = 64, kRuns = 3;
    VideoFrame grey = make_video_frame(PixelFormat::kRgb24, kSide, kSide);
    std::fill_n(grey.planes[0].data, packed_picture_bytes(grey.format, kSide, kSide), uint8_t{128});
    for (int i = 0; i < kRuns; ++i) {
      Frames made;
      if (auto done = process(grey, made); !done) return done;
    }
    return {};
  }

 private:
  torch::Tensor to_tensor(const VideoFrame& frame) const {
    const bool planar = options_.layout == TensorLayout::kNchw;
    torch::Tensor tensor = planar ? torch::empty({1, 3, frame.height, frame.width})
                                  : torch::empty({1, frame.height, frame.width, 3});
    picture_to_floats(frame, options_.layout, tensor.data_ptr<float>());
    if (options_.uint8) tensor = tensor.mul_(255).round_().to(torch::kUInt8);
    return tensor.to(device_);
  }

  // A model may give more than the picture: the tensor is the first of what it returns.
  torch::Tensor run(const torch::Tensor& input) {
    torch::jit::IValue result = module_.forward({input});
    if (result.isTuple()) result = result.toTupleRef().elements().at(0);
    torch::Tensor tensor = result.toTensor();
    tensor = tensor.scalar_type() == torch::kUInt8 ? tensor.to(torch::kFloat32).div_(255)
                                                   : tensor.to(torch::kFloat32);
    return tensor.to(torch::kCPU).contiguous();
  }

  // Sizes of a result by name, whatever its layout.
  struct Shape {
    int64_t height, width, channels;
  };
  [[nodiscard]] Shape shape_of(const torch::Tensor& t) const {
    if (options_.layout == TensorLayout::kNchw) return {t.size(2), t.size(3), t.size(1)};
    return {t.size(1), t.size(2), t.size(3)};
  }

  [[nodiscard]] Result<void> check(const torch::Tensor& tensor) const {
    constexpr int64_t kLargestSide = 16384;
    if (tensor.dim() == 4 && tensor.size(0) == 1) {
      const auto [height, width, channels] = shape_of(tensor);
      const bool channels_fit = channels == 1 || channels == 3 || channels == 4;
      if (channels_fit && height > 0 && width > 0 && height <= kLargestSide && width <= kLargestSide)
        return {};
    }
    return unexpected(
        ErrorKind::kInternal,
        fmt::format("torchscript: the model returned a tensor of shape {}, not [1,H,W,C] (or [1,C,H,W]) with "
                    "1, 3 or 4 channels",
                    fmt::join(tensor.sizes().vec(), "x")));
  }

  [[nodiscard]] VideoFrame to_frame(const torch::Tensor& tensor, const VideoFrame& like) const {
    const auto [height, width, channels] = shape_of(tensor);
    VideoFrame frame = make_video_frame(like.format, static_cast<int>(width), static_cast<int>(height));
    copy_properties(like, frame);
    floats_to_picture(tensor.data_ptr<float>(), static_cast<int>(channels), options_.layout, frame);
    return frame;
  }

  TorchOptions options_;
  torch::jit::Module module_;
  torch::Device device_;
};

Result<std::unique_ptr<Effect>> create(const TorchOptions& options) {
  if (!std::filesystem::is_regular_file(options.model)) {
    return unexpected(ErrorKind::kUsage, fmt::format("torchscript: model={}: no such file", options.model));
  }
  auto device = choose_device(options.device);
  if (!device) return unexpected(std::move(device).error());
  try {
    torch::jit::Module module = torch::jit::load(options.model, *device);
    module.eval();
    auto effect = std::make_unique<TorchEffect>(options, std::move(module), *device);
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
