#include "media/shm_region.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/try.h"

namespace trickle {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
constexpr uint64_t kLargestRegion = uint64_t{1} << 36;

// Frames are passed from stage to stage as pointers; a sink that wants to hand one on asks whose it is.
struct Registry {
  std::mutex mutex;
  std::map<uintptr_t, std::weak_ptr<SharedRegion>> by_address;
};

Registry& registry() {
  static auto* the_one = new Registry;  // Never destroyed: regions may outlive everything.
  return *the_one;
}

uintptr_t address_of(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

Unexpected system_error(std::string_view what) {
  return unexpected(ErrorKind::kIo, fmt::format("{}: {}", what, std::strerror(errno)));
}

}  // namespace

Result<UniqueFd> open_descriptor_of(pid_t pid, int fd, uint64_t inode, int flags) {
  const std::string path = fmt::format("/proc/{}/fd/{}", pid, fd);
  // Opening a device or somebody's FIFO could do something: look at it first.
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return system_error(path);
  if (status.st_ino != inode || !(S_ISREG(status.st_mode) || S_ISFIFO(status.st_mode))) {
    return unexpected(ErrorKind::kBadData, path + " is not what was offered");
  }
  UniqueFd opened(::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!opened) return system_error(path);
  if (::fstat(opened.get(), &status) != 0 || status.st_ino != inode) {
    return unexpected(ErrorKind::kBadData, path + " is not what was offered");
  }
  return opened;
}

Result<std::shared_ptr<SharedRegion>> SharedRegion::map(UniqueFd fd, size_t size_bytes) {
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return system_error("shared memory");
  void* data = ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) return system_error("shared memory can't be mapped");
  ::madvise(data, size_bytes, MADV_HUGEPAGE);  // Where the system is set to; elsewhere it does nothing.
  std::shared_ptr<SharedRegion> region(new SharedRegion);
  region->data_ = static_cast<uint8_t*>(data);
  region->name_ = {fd.get(), status.st_ino, size_bytes};
  region->fd_ = std::move(fd);
  const std::lock_guard lock(registry().mutex);
  registry().by_address[address_of(data)] = region;
  return region;
}

Result<std::shared_ptr<SharedRegion>> SharedRegion::create(size_t size_bytes) {
  UniqueFd fd(::memfd_create("trickle", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return system_error("no shared memory");
  if (::ftruncate(fd.get(), static_cast<off_t>(size_bytes)) != 0 ||
      ::fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) {
    return system_error("no shared memory");
  }
  return map(std::move(fd), size_bytes);
}

Result<std::shared_ptr<SharedRegion>> SharedRegion::open(pid_t pid, const RegionName& name) {
  TRICKLE_TRY_ASSIGN(UniqueFd fd, open_descriptor_of(pid, name.fd, name.inode, O_RDWR));
  struct stat status {};
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || ::fstat(fd.get(), &status) != 0) {
    return unexpected(ErrorKind::kBadData, "shared memory that was offered could shrink");
  }
  if (name.size_bytes == 0 || name.size_bytes > kLargestRegion ||
      static_cast<uint64_t>(status.st_size) < name.size_bytes) {
    return unexpected(ErrorKind::kBadData, "shared memory that was offered is smaller than it should be");
  }
  return map(std::move(fd), static_cast<size_t>(name.size_bytes));
}

std::shared_ptr<SharedRegion> SharedRegion::find(const void* begin, size_t size_bytes) {
  const std::lock_guard lock(registry().mutex);
  auto after = registry().by_address.upper_bound(address_of(begin));
  if (after == registry().by_address.begin()) return nullptr;
  std::shared_ptr<SharedRegion> region = std::prev(after)->second.lock();
  const bool holds = region && address_of(begin) - address_of(region->data()) <= region->size_bytes() &&
                     size_bytes <= region->size_bytes() - (address_of(begin) - address_of(region->data()));
  return holds ? region : nullptr;
}

SharedRegion::~SharedRegion() {
  if (data_ == nullptr) return;
  {
    const std::lock_guard lock(registry().mutex);
    registry().by_address.erase(address_of(data_));
  }
  ::munmap(data_, size_bytes());
}

}  // namespace trickle
