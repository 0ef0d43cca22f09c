#include "trickle/publisher_control.h"

#include <fmt/format.h>

#include "base/log.h"
#include "trickle/answer.h"

namespace trickle {

using Kind = PublisherState::Control::Kind;

http::ClientRequest channel_request(std::string method, const http::Url& url, const std::string& name) {
  log::debug("{} {}{}", method, url.display(), name.empty() ? "" : "/" + name);
  return {.method = std::move(method), .url = name.empty() ? url.full() : url.child(name), .headers = {}};
}

Error located(const http::Url& url, const Error& error) { return {error.kind(), url.display(), error}; }

void PublisherControl::start() {
  if (transfer_) return;
  const auto wanted = state_.control();
  if (!wanted) return;
  http::ClientRequest request;
  switch (wanted->kind) {
    case Kind::kCreate:
      request = channel_request("POST", url_, "");
      request.headers.emplace_back("Expect-Content", content_type_);
      request.headers.emplace_back("Content-Type", content_type_);
      break;
    case Kind::kNext:
      request = channel_request("GET", url_, "next");
      break;
    case Kind::kDeleteSegment:
      request = channel_request("DELETE", url_, std::to_string(wanted->number));
      break;
    case Kind::kDeleteChannel:
      request = channel_request("DELETE", url_, "");
      break;
  }
  transfer_ = client_.start(request);
}

void PublisherControl::judge() {
  if (!transfer_) return;
  if (transfer_->done()) {
    if (const auto& failure = transfer_->failure()) {
      state_.on_control_failure(located(url_, failure->error), failure->retryable);
    } else {
      const auto body = transfer_->received();
      state_.on_control_answer(read_answer(*transfer_->head()),
                               {reinterpret_cast<const char*>(body.data()), body.size()});
    }
  } else if (clock_.now() - transfer_->started_at() >= kServerTimeout) {
    state_.on_control_failure({ErrorKind::kNetwork, fmt::format("{} does not answer", url_.display())}, true);
  } else {
    return;
  }
  transfer_.reset();
}

std::optional<TimePoint> PublisherControl::deadline() const {
  return transfer_ ? std::optional(transfer_->started_at() + kServerTimeout) : std::nullopt;
}

}  // namespace trickle
