// Opening what a command line names.
#pragma once

#include <string>

#include "io/unique_fd.h"
#include "trickle/result.h"

namespace trickle {

/// Opens a file to read from; "-" or nothing is a duplicate of standard input.
/// \return kNotFound when there is no such file, kIo for anything else.
Result<UniqueFd> open_to_read(const std::string& path);

}  // namespace trickle
