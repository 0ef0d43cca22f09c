// A shared library with an effect in it (trickle/effect_plugin.h), checked.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fx/parameters.h"
#include "trickle/effect_plugin.h"
#include "trickle/result.h"

namespace trickle::fx {

/// Constant once opened; any thread may read it. The library stays loaded as long as this lives.
class PluginLibrary {
 public:
  /// `path` is a file, or a name to be looked for in the folders of TRICKLE_PLUGIN_PATH (separated by
  /// colons). \return kUsage with a sentence for what is no plugin, or one of another version.
  static Result<std::shared_ptr<const PluginLibrary>> open(const std::string& path);
  PluginLibrary(const PluginLibrary&) = delete;
  PluginLibrary& operator=(const PluginLibrary&) = delete;
  ~PluginLibrary();

  /// What the plugin says of itself; members that it was compiled without are null.
  [[nodiscard]] const trickle_effect_plugin& entry() const { return entry_; }
  [[nodiscard]] const std::string& path() const { return path_; }

  /// Every parameter that the plugin has with its value: the given one, or the default. \return kUsage for
  /// one that it does not have, or a number out of its range. "path" is not the plugin's.
  [[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> values(
      const Parameters& given) const;

 private:
  PluginLibrary(std::string path, void* handle) : path_(std::move(path)), handle_(handle) {}

  std::string path_;
  void* handle_;
  trickle_effect_plugin entry_{};
};

}  // namespace trickle::fx
