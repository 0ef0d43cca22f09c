// Relay: GET of a channel's HLS playlist.
#include <fmt/format.h>

#include "trickle/relay_state.h"

namespace trickle {
namespace {

// Players that look at names (ffmpeg from 7.1 on) want a segment to have one that ends in ".ts", and others
// can't send a header: the token comes along where the playlist was asked for with one.
std::string uri_suffix(const http::RequestHead& head) {
  const std::string_view token = head.query_value("token");
  if (token.empty()) return "?.ts";
  std::string suffix = "?token=";
  for (const char c : token) {
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    plain ? suffix.append(1, c) : suffix.append(fmt::format("%{:02X}", static_cast<unsigned char>(c)));
  }
  return suffix + "&.ts";
}

void respond_playlist(http::Exchange& exchange, const HlsPlaylist& playlist, bool ended) {
  exchange.respond(
      {.headers = {{"Content-Type", "application/vnd.apple.mpegurl"}, {"Cache-Control", "no-cache"}},
       .body = playlist.text(ended, uri_suffix(exchange.head()))});
}

// One GET that came before the first segment was complete: a player that is told of an empty playlist gives
// up.
class PlaylistWaiter final : public ChangeListener, public std::enable_shared_from_this<PlaylistWaiter> {
 public:
  PlaylistWaiter(RelayStatePtr state, std::shared_ptr<http::Exchange> exchange,
                 std::shared_ptr<const ChannelHead> channel)
      : state_(std::move(state)), exchange_(std::move(exchange)), channel_(std::move(channel)) {}

  void start() {
    exchange_->on_disconnect([self = shared_from_this()] {});  // Holds this as long as the exchange lasts.
    state_->store->listen(*channel_, *this);
  }

  void on_change() override {
    const auto self = shared_from_this();
    const HlsPlaylist playlist = state_->playlists->update(*channel_, *state_->store);
    if (!playlist.empty()) return respond_playlist(*exchange_, playlist, channel_->closed);
    if (channel_->closed) exchange_->respond(plain_text(404, "Stream not found", {closed_field()}));
  }

 private:
  RelayStatePtr state_;
  std::shared_ptr<http::Exchange> exchange_;
  std::shared_ptr<const ChannelHead> channel_;
};

}  // namespace

void relay_playlist(const RelayStatePtr& state, const std::shared_ptr<http::Exchange>& exchange,
                    const RelayTarget& target) {
  const auto channel = state->store->find(target.channel);
  if (!channel) {
    if (const auto last = state->playlists->ended(target.channel, *state->store))
      return respond_playlist(*exchange, *last, true);
    return exchange->respond(plain_text(404, "Stream not found"));
  }
  const HlsPlaylist playlist = state->playlists->update(*channel, *state->store);
  if (!playlist.empty() || exchange->head().method == "HEAD" || channel->closed)
    return respond_playlist(*exchange, playlist, channel->closed);
  std::make_shared<PlaylistWaiter>(state, exchange, channel)->start();
}

}  // namespace trickle
