// The GPUs of this machine, read through NVML where it is installed.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace trickle::worker {

struct Gpu {
  std::string id;  ///< UUID.
  std::string name;
  uint64_t memory_total_bytes = 0, memory_free_bytes = 0;
  int major = 0, minor = 0;  ///< CUDA compute capability.
  unsigned utilization_compute_percent = 0, utilization_memory_percent = 0;
};

/// Reads them now; empty without NVML (libnvidia-ml.so.1, opened at the first call) or without a GPU. Any
/// thread.
std::vector<Gpu> read_gpus();

/// `{"0":{"id","name","memory_total","memory_free","major","minor"}}`.
[[nodiscard]] nlohmann::ordered_json gpu_info_json(const std::vector<Gpu>& gpus);
/// `{"0":{"id","name","memory_total","memory_free","utilization_compute","utilization_memory"}}`.
[[nodiscard]] nlohmann::ordered_json gpu_stats_json(const std::vector<Gpu>& gpus);

}  // namespace trickle::worker
