// NVML's types are declared here as its ABI has them (nvml.h, stable since version 1), so that neither
// building nor running needs NVIDIA's packages.
#include "worker/gpu.h"

#include <dlfcn.h>

#include <array>
#include <nlohmann/json.hpp>

namespace trickle::worker {
namespace {

using Device = struct NvmlDevice*;
struct Memory {
  unsigned long long total, free, used;
};
struct Utilization {
  unsigned gpu, memory;
};
constexpr int kSuccess = 0;

class Nvml {
 public:
  Nvml() {
    library_ = ::dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library_ == nullptr) return;
    int (*init)() = nullptr;
    const bool complete = load(init, "nvmlInit_v2") && load(count_, "nvmlDeviceGetCount_v2") &&
                          load(handle_, "nvmlDeviceGetHandleByIndex_v2") &&
                          load(uuid_, "nvmlDeviceGetUUID") && load(name_, "nvmlDeviceGetName") &&
                          load(memory_, "nvmlDeviceGetMemoryInfo") &&
                          load(capability_, "nvmlDeviceGetCudaComputeCapability") &&
                          load(utilization_, "nvmlDeviceGetUtilizationRates");
    ready_ = complete && init() == kSuccess;
  }

  [[nodiscard]] std::vector<Gpu> read() const {
    std::vector<Gpu> gpus;
    unsigned count = 0;
    if (!ready_ || count_(&count) != kSuccess) return gpus;
    for (unsigned i = 0; i < count; ++i) {
      Device device = nullptr;
      if (handle_(i, &device) == kSuccess) gpus.push_back(read_device(device));
    }
    return gpus;
  }

 private:
  template <typename Function>
  bool load(Function& function, const char* name) {
    function = reinterpret_cast<Function>(::dlsym(library_, name));
    return function != nullptr;
  }

  [[nodiscard]] Gpu read_device(Device device) const {
    Gpu gpu;
    std::array<char, 96> text{};
    if (uuid_(device, text.data(), text.size()) == kSuccess) gpu.id = text.data();
    if (name_(device, text.data(), text.size()) == kSuccess) gpu.name = text.data();
    if (Memory memory{}; memory_(device, &memory) == kSuccess) {
      gpu.memory_total_bytes = memory.total;
      gpu.memory_free_bytes = memory.free;
    }
    capability_(device, &gpu.major, &gpu.minor);
    if (Utilization use{}; utilization_(device, &use) == kSuccess) {
      gpu.utilization_compute_percent = use.gpu;
      gpu.utilization_memory_percent = use.memory;
    }
    return gpu;
  }

  void* library_ = nullptr;
  bool ready_ = false;
  int (*count_)(unsigned*) = nullptr;
  int (*handle_)(unsigned, Device*) = nullptr;
  int (*uuid_)(Device, char*, unsigned) = nullptr;
  int (*name_)(Device, char*, unsigned) = nullptr;
  int (*memory_)(Device, Memory*) = nullptr;
  int (*capability_)(Device, int*, int*) = nullptr;
  int (*utilization_)(Device, Utilization*) = nullptr;
};

nlohmann::ordered_json common_json(const Gpu& gpu) {
  return {{"id", gpu.id},
          {"name", gpu.name},
          {"memory_total", gpu.memory_total_bytes},
          {"memory_free", gpu.memory_free_bytes}};
}

}  // namespace

std::vector<Gpu> read_gpus() {
  static const Nvml nvml;
  return nvml.read();
}

nlohmann::ordered_json gpu_info_json(const std::vector<Gpu>& gpus) {
  auto object = nlohmann::ordered_json::object();
  for (size_t i = 0; i < gpus.size(); ++i) {
    auto entry = common_json(gpus[i]);
    entry["major"] = gpus[i].major;
    entry["minor"] = gpus[i].minor;
    object[std::to_string(i)] = std::move(entry);
  }
  return object;
}

nlohmann::ordered_json gpu_stats_json(const std::vector<Gpu>& gpus) {
  auto object = nlohmann::ordered_json::object();
  for (size_t i = 0; i < gpus.size(); ++i) {
    auto entry = common_json(gpus[i]);
    entry["utilization_compute"] = gpus[i].utilization_compute_percent;
    entry["utilization_memory"] = gpus[i].utilization_memory_percent;
    object[std::to_string(i)] = std::move(entry);
  }
  return object;
}

}  // namespace trickle::worker
