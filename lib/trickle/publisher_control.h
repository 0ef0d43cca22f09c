// A publisher's requests beside its POSTs of segments: to create the channel, to ask for its next number, to
// delete a segment or the channel. One at a time, as PublisherState wants them.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "http/client.h"
#include "http/url.h"
#include "io/clock.h"
#include "trickle/publisher_state.h"

namespace trickle {

/// A request for `url`/`name`: a segment's number or "next"; empty: the channel itself.
[[nodiscard]] http::ClientRequest channel_request(std::string method, const http::Url& url,
                                                  const std::string& name);

/// The same error with its place: curl's sentences seldom say where.
[[nodiscard]] Error located(const http::Url& url, const Error& error);

/// For the publisher's thread, which holds the lock of `state` in every call but abandon(). What it refers to
/// must outlive it.
class PublisherControl {
 public:
  PublisherControl(http::Client& client, const http::Url& url, const std::string& content_type,
                   const Clock& clock, PublisherState& state)
      : client_(client), url_(url), content_type_(content_type), clock_(clock), state_(state) {}

  /// Tells the state what has become of the request that runs.
  void judge();
  /// Starts the one that the state wants, unless one runs.
  void start();
  /// When judge() gives the request up.
  [[nodiscard]] std::optional<TimePoint> deadline() const;
  void abandon() { transfer_.reset(); }

 private:
  http::Client& client_;
  const http::Url& url_;
  const std::string& content_type_;
  const Clock& clock_;
  PublisherState& state_;
  std::unique_ptr<http::Transfer> transfer_;
};

}  // namespace trickle
