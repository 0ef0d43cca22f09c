#include "worker/channel_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "io/fd_io.h"

namespace trickle::worker {
namespace {

constexpr const char* kExtension = ".channel";

std::string message_of(int error) { return std::generic_category().message(error); }

// FNV-1a: names only need to differ, and to be the same in every run.
uint64_t hash_of(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace

Result<std::unique_ptr<ChannelMemory>> ChannelMemory::open(const std::filesystem::path& directory) {
  std::error_code failure;
  std::filesystem::create_directories(directory, failure);
  if (failure) {
    return unexpected(ErrorKind::kIo,
                      fmt::format("the state directory {}: {}", directory.string(), failure.message()));
  }
  UniqueFd lock(::open((directory / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!lock) {
    return unexpected(ErrorKind::kIo,
                      fmt::format("the state directory {}: {}", directory.string(), message_of(errno)));
  }
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return unexpected(ErrorKind::kUsage,
                      fmt::format("the state directory {} is used by another worker", directory.string()));
  }
  return std::unique_ptr<ChannelMemory>(new ChannelMemory(directory, std::move(lock)));
}

ChannelMemory::ChannelMemory(std::filesystem::path directory, UniqueFd lock)
    : directory_(std::move(directory)), lock_(std::move(lock)) {
  read_left_behind();
}

void ChannelMemory::read_left_behind() {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, ignored)) {
    if (entry.path().extension() != kExtension) continue;
    std::ifstream file(entry.path());
    std::string url;
    if (!std::getline(file, url) || entry.path() != file_of(url)) {
      log::warning("{} is not what this program wrote; it is left alone", entry.path().string());
      continue;
    }
    remembered_[url] = 1;
    left_behind_.push_back(std::move(url));
  }
}

std::filesystem::path ChannelMemory::file_of(const std::string& url) const {
  return directory_ / fmt::format("{:016x}{}", hash_of(url), kExtension);
}

void ChannelMemory::remember(const std::string& url) {
  if (url.empty() || ++remembered_[url] > 1) return;
  const auto path = file_of(url);
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR));
  const std::string line = url + "\n";
  const auto written = file ? write_full(file.get(), std::as_bytes(std::span(line)))
                            : unexpected(ErrorKind::kIo, message_of(errno));
  if (!written) log::warning("{}: {}", path.string(), written.error().to_string());
}

void ChannelMemory::forget(const std::string& url) {
  const auto found = remembered_.find(url);
  if (found == remembered_.end() || --found->second > 0) return;
  remembered_.erase(found);
  std::error_code failure;
  if (!std::filesystem::remove(file_of(url), failure) && failure) {
    log::warning("{}: {}", file_of(url).string(), failure.message());
  }
}

}  // namespace trickle::worker
