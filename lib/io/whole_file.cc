#include "io/whole_file.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "base/try.h"
#include "io/fd_io.h"

namespace trickle {
namespace {

Unexpected file_error(const std::string& path) {
  return unexpected(ErrorKind::kIo, fmt::format("{}: {}", path, std::generic_category().message(errno)));
}

}  // namespace

WholeFile::WholeFile(std::string path, std::string temporary, UniqueFd fd)
    : path_(std::move(path)), temporary_(std::move(temporary)), fd_(std::move(fd)) {}

WholeFile::WholeFile(WholeFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::move(other.fd_)) {}

WholeFile::~WholeFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<WholeFile> WholeFile::create(const std::string& path) {
  std::string temporary = fmt::format("{}.{}.part", path, ::getpid());
  UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!fd) return file_error(temporary);
  return WholeFile(path, std::move(temporary), std::move(fd));
}

Result<void> WholeFile::write(std::span<const std::byte> bytes) {
  auto written = write_full(fd_.get(), bytes);
  if (!written) return unexpected(Error(written.error().kind(), temporary_, written.error()));
  return {};
}

Result<void> WholeFile::commit() {
  if (::fsync(fd_.get()) != 0) return file_error(temporary_);
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) return file_error(path_);
  temporary_.clear();
  return {};
}

}  // namespace trickle
