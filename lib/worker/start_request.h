// The body of POST start, checked.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "trickle/result.h"
#include "worker/stream_params.h"

namespace trickle::worker {

struct StartRequest {
  std::string subscribe_url, publish_url, control_url, events_url, data_url;  ///< Empty: none.
  std::string id;  ///< gateway_request_id, else the header X-Stream-Id, else made up.
  StreamParams params;
  std::string params_json;  ///< As they came: an object.
  std::vector<std::string> warnings;
};

/// Reads and checks the whole body; what it names is not looked at. `header_id` is X-Stream-Id, or empty.
/// \return kUsage with a sentence that names the field and what is allowed.
Result<StartRequest> parse_start(std::string_view body, std::string_view header_id);

/// Parses a JSON object. \return kUsage with a sentence when `body` is something else.
Result<nlohmann::json> parse_object(std::string_view body);

/// 16 hexadecimal digits that no one could guess.
[[nodiscard]] std::string make_up_id();

}  // namespace trickle::worker
