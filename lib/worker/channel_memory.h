// Remembers on disk which channels this worker publishes, so that the next one can close those that a killed
// one left open: their readers would otherwise wait for ever.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/unique_fd.h"
#include "trickle/result.h"

namespace trickle::worker {

/// One file for each channel, readable by its owner only. Not thread-safe.
class ChannelMemory {
 public:
  /// Makes the directory if need be. \return kUsage when another worker uses it, kIo when it can't be used.
  static Result<std::unique_ptr<ChannelMemory>> open(const std::filesystem::path& directory);

  /// The URLs that were remembered and not forgotten when it was opened.
  [[nodiscard]] const std::vector<std::string>& left_behind() const { return left_behind_; }
  /// A URL may be remembered several times; it is gone when it was forgotten as often. What fails is logged.
  void remember(const std::string& url);
  void forget(const std::string& url);

 private:
  ChannelMemory(std::filesystem::path directory, UniqueFd lock);
  void read_left_behind();
  [[nodiscard]] std::filesystem::path file_of(const std::string& url) const;

  std::filesystem::path directory_;
  UniqueFd lock_;
  std::map<std::string, int> remembered_;
  std::vector<std::string> left_behind_;
};

}  // namespace trickle::worker
