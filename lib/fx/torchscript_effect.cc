// The registry's entry for models: checks the parameters here, so that LibTorch is loaded only for good ones.
#include "fx/torchscript_effect.h"

#include <fmt/format.h>

#include "fx/torch_options.h"

namespace trickle::fx {
namespace {

Result<std::unique_ptr<Effect>> create(const Parameters& parameters, const EffectHostPtr& /*host*/) {
  TorchOptions options{.model = text(parameters, "model"), .device = text(parameters, "device")};
  if (options.model.empty()) {
    return unexpected(ErrorKind::kUsage, "torchscript: model is missing: it must name a TorchScript file");
  }
  const std::string& layout = text(parameters, "layout");
  if (layout != "nhwc" && layout != "nchw") {
    return unexpected(ErrorKind::kUsage, fmt::format("torchscript: layout={}: must be nhwc or nchw", layout));
  }
  options.layout = layout == "nchw" ? TensorLayout::kNchw : TensorLayout::kNhwc;
  const std::string& dtype = text(parameters, "dtype");
  if (dtype != "float32" && dtype != "uint8") {
    return unexpected(ErrorKind::kUsage,
                      fmt::format("torchscript: dtype={}: must be float32 or uint8", dtype));
  }
  options.uint8 = dtype == "uint8";
  return make_torch_effect(options);
}

ParameterInfo string_parameter(std::string name, std::string default_value, std::string sentence) {
  return {.name = std::move(name),
          .type = ParameterType::kString,
          .default_value = std::move(default_value),
          .text = std::move(sentence)};
}

}  // namespace

EffectInfo torchscript_effect() {
  return {.name = "torchscript",
          .text = "Runs a TorchScript model on each frame.",
          .parameters = {string_parameter("model", "", "The model's file, as torch.jit.save writes it."),
                         string_parameter("device", "auto",
                                          "auto, cpu, cuda or cuda:N; auto takes CUDA where it is."),
                         string_parameter("layout", "nhwc", "nhwc for [1,H,W,3], nchw for [1,3,H,W]."),
                         string_parameter("dtype", "float32", "float32 for 0 to 1, uint8 for 0 to 255.")},
          .create = create};
}

}  // namespace trickle::fx
