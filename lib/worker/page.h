// The page at "/": the endpoints and the running streams, for a person with a browser.
#pragma once

#include <string>

#include "worker/worker.h"

namespace trickle::worker {

/// A complete HTML document; everything that came from outside is escaped.
[[nodiscard]] std::string overview_page(const Worker& worker);

}  // namespace trickle::worker
