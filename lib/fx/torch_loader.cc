// Finds the module with LibTorch beside the programs and loads it when the first effect asks for it.
#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "fx/torch_options.h"
#include "trickle/version.h"

namespace trickle::fx {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModule = "trickle-torch.so";

std::vector<fs::path> candidates() {
  std::vector<fs::path> paths;
  if (const char* folder = std::getenv("TRICKLE_MODULE_DIR")) paths.push_back(fs::path(folder) / kModule);
  std::error_code ignored_when_proc_is_missing;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored_when_proc_is_missing);
  if (!program.empty()) paths.push_back(program.parent_path().parent_path() / "lib" / "trickle" / kModule);
  return paths;
}

Result<const TorchEntry*> load() {
  std::string tried;
  for (const fs::path& path : candidates()) {
    if (!fs::exists(path)) {
      tried += (tried.empty() ? "" : ", ") + path.string();
      continue;
    }
    void* module = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (module == nullptr) {
      return unexpected(ErrorKind::kInternal, fmt::format("can't load {}: {}", path.string(), ::dlerror()));
    }
    const auto* entry = static_cast<const TorchEntry*>(::dlsym(module, "trickle_torch_entry"));
    if (entry == nullptr || std::string_view(entry->version) != version()) {
      return unexpected(ErrorKind::kInternal,
                        fmt::format("{} is not of this version ({})", path.string(), version()));
    }
    return entry;
  }
  return unexpected(
      ErrorKind::kInternal,
      fmt::format("torchscript needs the module {}, which is not installed (looked for {})", kModule, tried));
}

}  // namespace

Result<std::unique_ptr<Effect>> make_torch_effect(const TorchOptions& options, const EffectHostPtr& host) {
  static const Result<const TorchEntry*> entry = load();
  if (!entry) return unexpected(entry.error());
  return (*entry)->create(options, host);
}

}  // namespace trickle::fx
