#include "fx/plugin_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "fx/parameter_text.h"

namespace trickle::fx {
namespace {

namespace fs = std::filesystem;

constexpr const char* kEntry = "trickle_effect_plugin_entry";

std::string find_library(const std::string& path) {
  std::error_code missing;
  if (path.find('/') != std::string::npos || fs::exists(path, missing))
    return fs::absolute(path, missing).string();
  const char* variable = std::getenv("TRICKLE_PLUGIN_PATH");
  std::string_view folders = variable != nullptr ? variable : "";
  while (!folders.empty()) {
    const std::string_view folder = folders.substr(0, folders.find(':'));
    folders.remove_prefix(std::min(folder.size() + 1, folders.size()));
    const fs::path candidate = fs::path(folder) / path;
    if (fs::exists(candidate, missing)) return candidate.string();
  }
  return path;
}

Unexpected refused(const std::string& path, const std::string& why) {
  return unexpected(ErrorKind::kUsage, fmt::format("plugin: path={}: {}", path, why));
}

const trickle_effect_parameter_info* find(const trickle_effect_plugin& plugin, const std::string& name) {
  for (auto* info = plugin.parameters; info != nullptr && info->name != nullptr; ++info) {
    if (name == info->name) return info;
  }
  return nullptr;
}

Result<void> check(const trickle_effect_parameter_info& info, const std::string& value) {
  if (info.is_number == 0) return {};
  const auto number = number_from_text(value);
  if (number && *number >= info.minimum && *number <= info.maximum) return {};
  return unexpected(ErrorKind::kUsage,
                    fmt::format("{} of this plugin must be a number from {} to {}, not \"{}\"", info.name,
                                info.minimum, info.maximum, value));
}

}  // namespace

Result<std::shared_ptr<const PluginLibrary>> PluginLibrary::open(const std::string& path) {
  if (path.empty()) {
    return unexpected(ErrorKind::kUsage, "plugin: path is missing: it must name a shared library");
  }
  void* handle = ::dlopen(find_library(path).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return refused(path, ::dlerror());
  std::shared_ptr<PluginLibrary> library(new PluginLibrary(path, handle));
  const auto entry = reinterpret_cast<const trickle_effect_plugin* (*)()>(::dlsym(handle, kEntry));
  if (entry == nullptr) return refused(path, fmt::format("no plugin: it has no function {}", kEntry));
  const trickle_effect_plugin* plugin = entry();
  constexpr size_t kLeast = offsetof(trickle_effect_plugin, name);
  if (plugin == nullptr || plugin->struct_size < kLeast)
    return refused(path, "no plugin: it describes nothing");
  if (plugin->abi_version != TRICKLE_EFFECT_ABI_VERSION) {
    return refused(path,
                   fmt::format("made for version {} of the plugin interface, and this program has version {}",
                               plugin->abi_version, TRICKLE_EFFECT_ABI_VERSION));
  }
  std::memcpy(&library->entry_, plugin, std::min(plugin->struct_size, sizeof(trickle_effect_plugin)));
  if (library->entry_.create == nullptr) return refused(path, "no plugin: it can't create an effect");
  return std::shared_ptr<const PluginLibrary>(std::move(library));
}

PluginLibrary::~PluginLibrary() { ::dlclose(handle_); }

Result<std::vector<std::pair<std::string, std::string>>> PluginLibrary::values(
    const Parameters& given) const {
  for (const auto& [name, value] : given) {
    if (name != "path" && find(entry_, name) == nullptr) {
      return unexpected(ErrorKind::kUsage, fmt::format("the plugin {} has no parameter \"{}\"", path_, name));
    }
  }
  std::vector<std::pair<std::string, std::string>> values;
  for (auto* info = entry_.parameters; info != nullptr && info->name != nullptr; ++info) {
    const auto found = given.find(info->name);
    std::string value = info->default_value != nullptr ? info->default_value : "";
    if (found != given.end()) {
      value = to_string(found->second);
      if (auto fits = check(*info, value); !fits) return unexpected(std::move(fits).error());
    }
    values.emplace_back(info->name, std::move(value));
  }
  return values;
}

}  // namespace trickle::fx
