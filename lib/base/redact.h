// Takes secrets out of text that others will read: logs, status, events.
#pragma once

#include <string>
#include <string_view>

namespace trickle {

/// `text` with "***" in place of the secrets that URLs carry: the value of `token=` in a query, and what
/// stands before the `@` of a host. Anything else stays as it is.
[[nodiscard]] std::string redact_secrets(std::string_view text);

}  // namespace trickle
