#include "io/open_file.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace trickle {

Result<UniqueFd> open_to_read(const std::string& path) {
  const bool standard_input = path.empty() || path == "-";
  UniqueFd fd(standard_input ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                             : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (fd) return fd;
  const int cause = errno;
  return unexpected(cause == ENOENT ? ErrorKind::kNotFound : ErrorKind::kIo,
                    fmt::format("can't read {}: {}", standard_input ? "standard input" : path,
                                std::generic_category().message(cause)));
}

}  // namespace trickle
