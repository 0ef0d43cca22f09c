// What trickle-fx and the module that holds LibTorch agree on. The module is found at run time only, so that
// nothing else pays for LibTorch's start-up.
#pragma once

#include <memory>
#include <string>

#include "fx/effect.h"
#include "fx/effect_host.h"
#include "fx/tensor_picture.h"
#include "trickle/result.h"

namespace trickle::fx {

struct TorchOptions {
  std::string model;            ///< A TorchScript file.
  std::string device = "auto";  ///< "cpu", "cuda", "cuda:1", or "auto": CUDA where there is any.
  TensorLayout layout = TensorLayout::kNhwc;
  size_t batch = 1;    ///< Frames that the model gets at once; each waits for the last of its batch.
  bool uint8 = false;  ///< Bytes from 0 to 255 instead of floats from 0 to 1.
};

/// The module's only entry point, `trickle_torch_entry`. Both sides are built together: `version` must be
/// equal.
struct TorchEntry {
  const char* version;
  /// Loads the model and runs it once to warm it up. \return kUsage when the file or the device can't be
  /// used.
  Result<std::unique_ptr<Effect>> (*create)(const TorchOptions& options, const EffectHostPtr& host);
};

/// Loads the module if need be and makes an effect of it. Thread-safe. \return kInternal with a sentence when
/// the module isn't installed.
Result<std::unique_ptr<Effect>> make_torch_effect(const TorchOptions& options,
                                                  const EffectHostPtr& host = std::make_shared<EffectHost>());

}  // namespace trickle::fx
