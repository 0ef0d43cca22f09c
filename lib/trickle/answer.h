// What a trickle client reads from an HTTP answer.
#pragma once

#include "http/client.h"
#include "trickle/wire.h"

namespace trickle {

[[nodiscard]] Answer read_answer(const http::ResponseHead& head);

/// The error for a status that is neither success nor worth another try; `what` was refused or failed.
[[nodiscard]] Error status_error(int status, std::string_view what, std::string_view url);

}  // namespace trickle
