// The registry's entry for models: checks the parameters here, so that LibTorch is loaded only for good ones.
#include "fx/torchscript_effect.h"

#include <fmt/format.h>

#include "fx/torch_options.h"

namespace trickle::fx {
namespace {

Result<std::unique_ptr<Effect>> create(const Parameters& parameters, const EffectHostPtr& host) {
  TorchOptions options{.model = text(parameters, "model"), .device = text(parameters, "device")};
  if (options.model.empty()) {
    return unexpected(ErrorKind::kUsage, "torchscript: model is missing: it must name a TorchScript file");
  }
  options.layout = text(parameters, "layout") == "nchw" ? TensorLayout::kNchw : TensorLayout::kNhwc;
  options.uint8 = text(parameters, "dtype") == "uint8";
  options.batch = static_cast<size_t>(number(parameters, "batch"));
  return make_torch_effect(options, host);
}

ParameterInfo string_parameter(std::string name, std::string default_value, std::string sentence) {
  return {.name = std::move(name),
          .type = ParameterType::kString,
          .default_value = std::move(default_value),
          .text = std::move(sentence)};
}

// The first is the default.
ParameterInfo choice(std::string name, std::vector<std::string> choices, std::string sentence) {
  return {.name = std::move(name),
          .type = ParameterType::kString,
          .default_value = choices.front(),
          .choices = choices,
          .text = std::move(sentence)};
}

}  // namespace

EffectInfo torchscript_effect() {
  return {
      .name = "torchscript",
      .text = "Runs a TorchScript model on each frame.",
      .parameters = {string_parameter("model", "", "The model's file, as torch.jit.save writes it."),
                     string_parameter("device", "auto",
                                      "auto, cpu, cuda or cuda:N; auto takes CUDA where it is."),
                     choice("layout", {"nhwc", "nchw"}, "nhwc for [1,H,W,3], nchw for [1,3,H,W]."),
                     choice("dtype", {"float32", "uint8"}, "float32 for 0 to 1, uint8 for 0 to 255."),
                     {.name = "batch",
                      .type = ParameterType::kNumber,
                      .default_value = 1.0,
                      .minimum = 1,
                      .maximum = 64,
                      .text = "Frames that the model gets at once; each waits for the last of its batch."}},
      .create = create};
}

}  // namespace trickle::fx
