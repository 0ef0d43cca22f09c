// A piece of memory that two processes see: a sealed memfd, mapped.
//
// It has no name in any file system and is gone with the last process that holds it, however that one dies.
// Nobody can shrink it (F_SEAL_SHRINK), so that a peer can't make reading it fail with SIGBUS.
//
// How the other process gets at it: an anonymous pipe carries no descriptors, so it opens /proc/PID/fd/N. An
// abstract socket with SCM_RIGHTS would do as well, but needs a name that others could take first, a thread
// that accepts, and a check of the peer that the kernel makes here itself: only a process that could trace
// the owner (same user, same capabilities) may open its descriptors. Where that is refused or not there
// (other user, other container, other machine) frames travel through the pipe.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "io/unique_fd.h"
#include "trickle/result.h"

namespace trickle {

/// What another process needs to open a region.
struct RegionName {
  int32_t fd = -1;     ///< In the process that offers it.
  uint64_t inode = 0;  ///< Never used twice: tells whether the descriptor is still the one that was meant.
  uint64_t size_bytes = 0;
};

/// Thread-safe once made. Mapped for reading and writing as long as it lives.
class SharedRegion {
 public:
  /// A new one, all zero; pages come into being when they are touched. \return kIo.
  static Result<std::shared_ptr<SharedRegion>> create(size_t size_bytes);
  /// That of process `pid`. \return kIo when it can't be opened, kBadData when it is not what it should be.
  static Result<std::shared_ptr<SharedRegion>> open(pid_t pid, const RegionName& name);
  /// The living one that holds these bytes, or null.
  static std::shared_ptr<SharedRegion> find(const void* begin, size_t size_bytes);

  SharedRegion(const SharedRegion&) = delete;
  SharedRegion& operator=(const SharedRegion&) = delete;
  ~SharedRegion();

  [[nodiscard]] uint8_t* data() const { return data_; }
  [[nodiscard]] size_t size_bytes() const { return static_cast<size_t>(name_.size_bytes); }
  /// How another process may open it.
  [[nodiscard]] const RegionName& name() const { return name_; }

 private:
  SharedRegion() = default;
  static Result<std::shared_ptr<SharedRegion>> map(UniqueFd fd, size_t size_bytes);

  UniqueFd fd_;
  RegionName name_;
  uint8_t* data_ = nullptr;
};

/// "/proc/PID/fd/N" opened anew, if it is a memfd or a pipe of inode `inode`: nothing else is ever touched.
/// \param flags of open(2). \return kIo, kBadData.
Result<UniqueFd> open_descriptor_of(pid_t pid, int fd, uint64_t inode, int flags);

}  // namespace trickle
