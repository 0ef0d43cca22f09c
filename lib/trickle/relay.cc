// Relay: which request goes where, and what happens by time: sweeping, keeping waiting POSTs company,
// shutdown.
#include "trickle/relay.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "base/log.h"
#include "base/units.h"
#include "trickle/relay_state.h"

namespace trickle {
namespace {

using namespace std::chrono_literals;

constexpr size_t kFeedWindow = 1000;
constexpr auto kDrainPoll = 10ms;

StoreLimits store_limits(const RelayOptions& options) {
  StoreLimits limits;
  limits.window = options.window;
  limits.max_segment_bytes = options.max_segment_bytes;
  limits.max_channel_bytes = options.max_channel_bytes;
  limits.memory_bytes = options.memory_bytes;
  limits.max_channels = options.max_channels;
  limits.idle_timeout = options.idle_timeout;
  limits.copies = options.threads > 1 ? options.threads : 0;
  return limits;
}

void not_allowed(http::Exchange& exchange, const char* allowed) {
  exchange.respond(plain_text(405, "Method not allowed", {{"Allow", allowed}}));
}

void create_channel(Relay::State& state, http::Exchange& exchange, const std::string& channel) {
  ChannelOptions options;
  options.content_type = exchange.head().header("Expect-Content");
  switch (state.store->create(channel, std::move(options), state.may_create(channel, exchange.head()))) {
    case CreateStatus::kCreated:
    case CreateStatus::kExists:
      return exchange.respond({});
    case CreateStatus::kTooManyChannels:
      return exchange.respond(plain_text(507, "Too many channels"));
    case CreateStatus::kOutOfMemory:
      return exchange.respond(plain_text(507, "The server has no memory left for channels"));
    case CreateStatus::kNoChannel:
    case CreateStatus::kShuttingDown:
      return exchange.respond(plain_text(404, "Stream not found"));
  }
}

void handle_channel(Relay::State& state, http::Exchange& exchange, const RelayTarget& target) {
  const std::string& method = exchange.head().method;
  if (is_reserved_name(target.channel)) return not_allowed(exchange, "");
  if (method == "POST") return create_channel(state, exchange, target.channel);
  if (method != "DELETE") return not_allowed(exchange, "POST, DELETE");
  if (!state.store->remove(target.channel)) return exchange.respond(plain_text(400, "Invalid stream"));
  exchange.respond({});
}

void delete_segment(Relay::State& state, http::Exchange& exchange, const RelayTarget& target) {
  const auto number = parse_segment_number(target.segment);
  if (!number || *number < 0) return exchange.respond(plain_text(400, "Invalid idx"));
  switch (state.store->close_segment(target.channel, *number)) {
    case CloseStatus::kClosed:
      return exchange.respond({});
    case CloseStatus::kNoChannel:
      return exchange.respond(plain_text(404, "Stream not found"));
    case CloseStatus::kNoSegment:
      return exchange.respond(plain_text(400, "Nonexistent segment"));
  }
}

void handle_segment(const RelayStatePtr& state, const std::shared_ptr<http::Exchange>& exchange,
                    const RelayTarget& target) {
  const std::string& method = exchange->head().method;
  const bool reserved = is_reserved_name(target.channel);
  if (method == "GET") return relay_get(state, exchange, target);
  if (method == "POST" && !reserved) return relay_post(state, exchange, target);
  if (method == "DELETE" && !reserved) return delete_segment(*state, *exchange, target);
  not_allowed(*exchange, reserved ? "GET" : "GET, POST, DELETE");
}

}  // namespace

http::Response plain_text(int status, std::string_view sentence, http::Fields headers) {
  headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
  return {.status = status, .headers = std::move(headers), .body = std::string(sentence) + "\n"};
}

Relay::State::State(boost::asio::io_context& io_context, RelayOptions relay_options,
                    Counters* shared_counters)
    : io(io_context),
      options(std::move(relay_options)),
      counters(shared_counters ? *shared_counters : own_counters),
      store(make_memory_store(store_limits(options), system_clock())),
      team(std::make_shared<std::vector<State*>>()),
      started(system_clock().now()),
      playlists(std::make_shared<HlsChannels>()),
      deliveries(std::make_shared<DeliveryQueue>(io_context)),
      continue_timer(io_context),
      sweep_timer(io_context),
      drain_timer(io_context) {}

Relay::State::State(boost::asio::io_context& io_context, State& first)
    : io(io_context),
      options(first.options),
      counters(first.counters),
      is_first(false),
      team(first.team),
      started(first.started),
      playlists(first.playlists),
      deliveries(std::make_shared<DeliveryQueue>(io_context)),
      continue_timer(io_context),
      sweep_timer(io_context),
      drain_timer(io_context) {}

void Relay::State::start() {
  team->push_back(this);
  if (!is_first) return;
  if (options.changefeed) {
    store->create(
        kChangeFeed,
        {.content_type = "application/json", .window = kFeedWindow, .permanent = true, .uncapped = true},
        true);
  }
  observe_store();
  for (const auto& channel : options.channels) {
    store->create(channel, {.content_type = {}, .window = 0, .permanent = true}, true);
  }
  sweep_later();
}

void Relay::State::observe_store() {
  store->set_observer([this](const std::string& channel, bool added) {
    log::info("channel {} {}", channel, added ? "created" : "closed");
    tell_feed(channel, added);
  });
}

void Relay::State::share_store_with(State& user) {
  const auto view_for = [this](State& state) {
    auto view = std::make_unique<StoreView>(shared_store, [&state] {
      boost::asio::post(state.io, [weak = state.weak_from_this()] {
        if (const auto self = weak.lock()) static_cast<StoreView&>(*self->store).catch_up();
      });
    });
    state.store = std::move(view);
  };
  if (!shared_store) {
    store->set_observer({});
    shared_store = share_store(std::move(store));
    view_for(*this);
    observe_store();
  }
  user.shared_store = shared_store;
  view_for(user);
}

void Relay::State::add_numbers_to(RelayNumbers& sum) const {
  for (const State* state : *team) sum.add(state->numbers);
}

void Relay::State::stop() {
  if (std::exchange(stopped, true)) return;
  std::erase(*team, this);
  if (is_first) {
    store->begin_shutdown();
    store->end_shutdown();
    store->set_observer({});
  }
  continue_timer.cancel();
  sweep_timer.cancel();
  drain_timer.cancel();
}

void Relay::State::tell_feed(const std::string& channel, bool added) {
  if (!options.changefeed || channel == kChangeFeed) return;
  class NoListener final : public WriterListener {
   public:
    void on_writer_ended(WriterEnd) override {}
  } nobody;
  WriteRequest request;
  request.channel = kChangeFeed;
  const auto grant = store->open_write(request, nobody);
  if (!grant.writer) return;
  grant.writer->append(change_document(channel, added));
  grant.writer->finish();
}

bool Relay::State::may_create(std::string_view channel, const http::RequestHead& head) const {
  return options.autocreate ||
         std::find(options.channels.begin(), options.channels.end(), channel) != options.channels.end() ||
         options.access.is_admin(channel, token_of(head));
}

void Relay::State::wait_for_body(WaitingPost& post) {
  post.due = system_clock().now() + options.interim_interval;
  waiting_posts.push_back(post);
  if (&waiting_posts.front() == &post) send_due_continues();
}

void Relay::State::send_due_continues() {
  while (!waiting_posts.empty() && waiting_posts.front().due <= system_clock().now()) {
    WaitingPost& post = waiting_posts.front();
    waiting_posts.pop_front();
    post.due = system_clock().now() + options.interim_interval;
    waiting_posts.push_back(post);
    post.send_continue();
  }
  if (waiting_posts.empty() || stopped) return;
  continue_timer.expires_at(waiting_posts.front().due);
  continue_timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error && !self->stopped) self->send_due_continues();
  });
}

void Relay::State::sweep_later() {
  sweep_timer.expires_after(std::clamp<std::chrono::milliseconds>(options.idle_timeout / 5, 20ms, 60s));
  sweep_timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (error || self->stopped) return;
    self->store->sweep();
    self->playlists->sweep(*self->store, system_clock().now());
    self->sweep_later();
  });
}

void Relay::State::await_writers(std::function<void()> done) {
  if (!store->writing() || system_clock().now() >= drain_until) {
    stop();
    return done();
  }
  drain_timer.expires_after(kDrainPoll);
  drain_timer.async_wait([self = shared_from_this(), done = std::move(done)](
                             const boost::system::error_code&) { self->await_writers(done); });
}

Relay::Relay(boost::asio::io_context& io, RelayOptions options, Counters* counters)
    : state_(std::make_shared<State>(io, std::move(options), counters)) {
  state_->start();
}

Relay::Relay(boost::asio::io_context& io, Relay& first) : state_(std::make_shared<State>(io, *first.state_)) {
  first.state_->share_store_with(*state_);
  state_->start();
}

Relay::~Relay() { state_->stop(); }

void Relay::handle(const std::shared_ptr<http::Exchange>& exchange) {
  const RelayTarget target = parse_relay_target(exchange->head().raw_path, state_->options.base_path);
  const std::string& method = exchange->head().method;
  const bool reads = method == "GET" || method == "HEAD";
  log::debug("{} {} {}", exchange->head().peer, method, exchange->head().raw_path);
  if (relay_answers_preflight(*state_, *exchange) || !relay_admits(*state_, *exchange, target)) return;
  switch (target.kind) {
    case RelayTarget::Kind::kUnknown:
      return exchange->respond(plain_text(404, "Not found"));
    case RelayTarget::Kind::kBadName:
      return exchange->respond(plain_text(400, "Invalid channel name"));
    case RelayTarget::Kind::kChannel:
      return handle_channel(*state_, *exchange, target);
    case RelayTarget::Kind::kSegment:
      return handle_segment(state_, exchange, target);
    case RelayTarget::Kind::kNext:
      if (method == "POST" || method == "DELETE") return exchange->respond(plain_text(400, "Invalid idx"));
      return reads ? relay_next(*state_, *exchange, target) : not_allowed(*exchange, "GET, HEAD");
    case RelayTarget::Kind::kLive:
      if (method == "POST" || method == "DELETE") return exchange->respond(plain_text(400, "Invalid idx"));
      return method == "GET" ? relay_live(state_, exchange, target) : not_allowed(*exchange, "GET");
    case RelayTarget::Kind::kPlaylist:
      if (method == "POST" || method == "DELETE") return exchange->respond(plain_text(400, "Invalid idx"));
      return reads ? relay_playlist(state_, exchange, target) : not_allowed(*exchange, "GET, HEAD");
    case RelayTarget::Kind::kChannels:
      return reads ? relay_channels_page(*state_, *exchange) : not_allowed(*exchange, "GET, HEAD");
    case RelayTarget::Kind::kMetrics:
      return reads ? relay_metrics_page(*state_, *exchange) : not_allowed(*exchange, "GET, HEAD");
    case RelayTarget::Kind::kHealth:
      return reads ? relay_health_page(*state_, *exchange) : not_allowed(*exchange, "GET, HEAD");
  }
}

void Relay::set_access(AccessRules rules) { state_->options.access = std::move(rules); }

void Relay::set_server_numbers(std::function<http::ServerNumbers()> numbers) {
  state_->server_numbers = std::move(numbers);
}

void Relay::shutdown(std::chrono::milliseconds drain, std::function<void()> done) {
  if (std::exchange(state_->shutting_down, true)) return;
  if (state_->options.changefeed) {
    for (const auto& channel : state_->store->report()) state_->tell_feed(channel.name, false);
    state_->options.changefeed = false;  // Each has been told.
  }
  state_->drain_until = system_clock().now() + drain;
  state_->store->begin_shutdown();
  state_->await_writers(std::move(done));
}

std::string Relay::summary() const {
  const StoreTotals totals = state_->store->totals();
  return fmt::format("{} segments, {} in, {} out, {} late posts, {} discarded", totals.segments_closed,
                     format_bytes(totals.bytes_in), format_bytes(state_->counters.bytes_out.load()),
                     totals.late_posts, format_bytes(totals.discarded_bytes));
}

}  // namespace trickle
