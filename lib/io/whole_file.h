// A file that appears under its name only when all of it is there.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "io/unique_fd.h"
#include "trickle/result.h"

namespace trickle {

/// Written under a temporary name beside its own; gone again unless commit() is called. Movable, not
/// thread-safe.
class WholeFile {
 public:
  /// \return kIo when it can't be created.
  static Result<WholeFile> create(const std::string& path);
  WholeFile(WholeFile&& other) noexcept;
  WholeFile& operator=(WholeFile&&) = delete;
  ~WholeFile();

  Result<void> write(std::span<const std::byte> bytes);
  /// Makes it last (fsync) and gives it its name, over a file that had it. Call once, last.
  Result<void> commit();

 private:
  WholeFile(std::string path, std::string temporary, UniqueFd fd);
  std::string path_;
  std::string temporary_;  ///< Empty once there is none.
  UniqueFd fd_;
};

}  // namespace trickle
