// Relay: GET of a segment, of /next and of /live. A reader is a cursor in a segment: the connection asks it
// for the chunks that come next, straight from the store.
#include <algorithm>

#include "trickle/relay_state.h"

namespace trickle {
namespace {

using http::BodySource;
using http::Chunk;

std::string content_type_of(const ChannelHead& channel) {
  return channel.content_type.empty() ? "application/octet-stream" : channel.content_type;
}

void respond_no_segment(http::Exchange& exchange, const ChannelHead& channel, SegmentNumber latest,
                        std::string_view asked) {
  http::Fields headers{latest_field(latest), {"Lp-Trickle-Seq", std::string(asked)}};
  if (channel.closed) headers.push_back(closed_field());
  exchange.respond(plain_text(channel.closed ? 200 : 470, "Entry not found", std::move(headers)));
}

// Position in one segment.
class Cursor {
 public:
  explicit Cursor(std::shared_ptr<Segment> segment)
      : segment_(std::move(segment)), live_from_(segment_->chunks().size()) {}

  [[nodiscard]] const std::shared_ptr<Segment>& segment() const { return segment_; }
  BodySource::View peek(std::span<const Chunk*> pieces) const {
    const auto chunks = segment_->chunks();
    if (segment_->state() == SegmentState::kEvicted) return {0, BodySource::Then::kCut};
    const size_t there = chunks.size() - index_;
    const size_t count = std::min(pieces.size(), there);
    for (size_t i = 0; i < count; ++i) pieces[i] = chunks[index_ + i].get();
    if (count < there) return {count, BodySource::Then::kMore};
    return {count, segment_->ended() ? BodySource::Then::kEnd : BodySource::Then::kWait};
  }
  /// Whether there is nothing more for us in it, as far as is known.
  [[nodiscard]] bool at_end() const {
    const SegmentState state = segment_->state();
    return index_ == segment_->chunks().size() &&
           (state == SegmentState::kWaiting || state == SegmentState::kClosed);
  }
  /// \return the bytes passed.
  uint64_t advance(size_t count, RelayNumbers& numbers) {
    uint64_t bytes = 0;
    const auto chunks = segment_->chunks();
    const TimePoint now = system_clock().now();
    numbers.deliveries += count;
    for (; count > 0; --count) {
      const Chunk& chunk = *chunks[index_++];
      bytes += chunk.size_bytes();
      if (index_ > live_from_) numbers.delay.record(now - chunk.arrived_at());
    }
    segment_->channel().bytes_out->fetch_add(bytes, std::memory_order_relaxed);
    return bytes;
  }
  void move_to(std::shared_ptr<Segment> segment) {
    segment_ = std::move(segment);
    index_ = 0;
    live_from_ = 0;
  }

 private:
  std::shared_ptr<Segment> segment_;
  size_t index_ = 0;
  size_t live_from_;  ///< What was there before says nothing about how fast it goes on.
};

// One GET of one segment. Lives as long as its exchange wants to know whether the client left.
class SegmentReader final : public BodySource,
                            public ChangeListener,
                            public DueReader,
                            public std::enable_shared_from_this<SegmentReader> {
 public:
  SegmentReader(RelayStatePtr state, std::shared_ptr<http::Exchange> exchange, ReadGrant grant,
                std::string asked)
      : state_(std::move(state)),
        exchange_(std::move(exchange)),
        cursor_(std::move(grant.segment)),
        latest_(grant.latest),
        asked_(std::move(asked)) {
    ++state_->numbers.readers;
  }
  ~SegmentReader() {
    --state_->numbers.readers;
    ChangeListener::unlink();
    state_->store->release(cursor_.segment());
  }

  void start() {
    exchange_->on_disconnect([self = shared_from_this()] {});  // Holds this as long as the exchange lasts.
    exchange_->release_headers();
    cursor_.segment()->listeners().add(*this);
    deliver();
  }

  void on_change() override { state_->deliveries->add(*this); }

  void deliver() override {
    const auto self = shared_from_this();
    if (begun_) return exchange_->wake();
    const Segment& segment = *cursor_.segment();
    if (segment.state() == SegmentState::kEvicted) {
      return respond_no_segment(*exchange_, segment.channel(), segment.channel().next, asked_);
    }
    if (segment.size_bytes() > 0) return begin();
    if (segment.ended()) respond_empty();
  }

  View peek(std::span<const Chunk*> pieces) override {
    const View view = cursor_.peek(pieces);
    if (view.then == Then::kCut && !std::exchange(cut_off_, true)) ++state_->numbers.cut_off_readers;
    return view;
  }
  void advance(size_t count) override {
    state_->counters.bytes_out += cursor_.advance(count, state_->numbers);
  }

 private:
  void begin() {
    begun_ = true;
    const Segment& segment = *cursor_.segment();
    http::Fields headers{seq_field(segment.number()),
                         {"Content-Type", content_type_of(segment.channel())},
                         {"Lp-Trickle-Size", std::to_string(segment.size_bytes())}};
    if (segment.number() != latest_) headers.push_back(latest_field(latest_));
    ++state_->counters.segments_out;
    exchange_->stream_from(200, std::move(headers), shared_from_this());
  }

  void respond_empty() {
    const Segment& segment = *cursor_.segment();
    http::Fields headers{seq_field(segment.number()),
                         latest_field(segment.channel().next),
                         {"Content-Type", content_type_of(segment.channel())}};
    if (segment.channel().closed) headers.push_back(closed_field());
    exchange_->respond({.headers = std::move(headers)});
  }

  RelayStatePtr state_;
  std::shared_ptr<http::Exchange> exchange_;
  Cursor cursor_;
  SegmentNumber latest_;
  std::string asked_;
  bool begun_ = false;
  bool cut_off_ = false;
};

// One GET of /live: goes on from segment to segment, over gaps, until the channel ends.
class LiveReader final : public BodySource,
                         public ChangeListener,
                         public DueReader,
                         public std::enable_shared_from_this<LiveReader> {
 public:
  LiveReader(RelayStatePtr state, std::shared_ptr<http::Exchange> exchange, ReadGrant grant)
      : state_(std::move(state)),
        exchange_(std::move(exchange)),
        cursor_(std::move(grant.segment)),
        channel_(std::move(grant.channel)),
        channel_listener_(*this) {
    ++state_->numbers.readers;
  }
  ~LiveReader() {
    --state_->numbers.readers;
    ChangeListener::unlink();
    state_->store->release(cursor_.segment());
  }

  void start() {
    exchange_->on_disconnect([self = shared_from_this()] {});
    exchange_->release_headers();
    cursor_.segment()->listeners().add(*this);
    state_->store->listen(*channel_, channel_listener_);
    deliver();
  }

  void on_change() override { state_->deliveries->add(*this); }

  void deliver() override {
    const auto self = shared_from_this();
    go_on();
    if (begun_) return exchange_->wake();
    if (cursor_.segment()->size_bytes() == 0 && !channel_->closed) return;
    begun_ = true;
    exchange_->stream_from(200, {{"Content-Type", content_type_of(*channel_)}, {"Cache-Control", "no-store"}},
                           shared_from_this());
  }

  View peek(std::span<const Chunk*> pieces) override {
    View view = cursor_.peek(pieces);
    if (view.then != Then::kEnd || channel_->closed) return view;
    // What follows the end of a segment is the next one.
    view.then = view.count > 0 ? Then::kMore : Then::kWait;
    return view;
  }

  void advance(size_t count) override {
    state_->counters.bytes_out += cursor_.advance(count, state_->numbers);
    go_on();
  }

 private:
  struct ChannelListener final : ChangeListener {
    explicit ChannelListener(LiveReader& live_reader) : reader(live_reader) {}
    void on_change() override { reader.on_change(); }
    LiveReader& reader;
  };

  // Moves on from segments that have nothing more for us, and from one that nobody writes while a later one
  // has begun.
  void go_on() {
    while (cursor_.at_end()) {
      const auto current = cursor_.segment();
      auto next = state_->store->follow(current);
      if (!next) return;
      ChangeListener::unlink();
      cursor_.move_to(next);
      next->listeners().add(*this);
      state_->store->release(current);
    }
  }

  RelayStatePtr state_;
  std::shared_ptr<http::Exchange> exchange_;
  Cursor cursor_;
  std::shared_ptr<const ChannelHead> channel_;
  ChannelListener channel_listener_;
  bool begun_ = false;
};

}  // namespace

void relay_get(const RelayStatePtr& state, const std::shared_ptr<http::Exchange>& exchange,
               const RelayTarget& target) {
  const auto selector = parse_read_selector(target.segment);
  if (!selector) return exchange->respond(plain_text(400, "Invalid idx"));
  ReadGrant grant = state->store->open_read(target.channel, *selector);
  switch (grant.status) {
    case ReadStatus::kNoChannel:
      // Readers that come back after a broken connection want to tell an end from a server that was
      // restarted, and slow ones what they missed.
      if (grant.just_ended) {
        return exchange->respond(
            plain_text(404, "Stream not found", {closed_field(), latest_field(grant.latest)}));
      }
      return exchange->respond(plain_text(404, "Stream not found"));
    case ReadStatus::kNoSegment:
      if (selector->kind == ReadSelector::Kind::kNumber && selector->value < grant.latest)
        ++state->numbers.skips;
      return respond_no_segment(*exchange, *grant.channel, grant.latest, target.segment);
    case ReadStatus::kSegment:
      std::make_shared<SegmentReader>(state, exchange, std::move(grant), target.segment)->start();
  }
}

void relay_next(Relay::State& state, http::Exchange& exchange, const RelayTarget& target) {
  const auto channel = state.store->find(target.channel);
  if (!channel) return exchange.respond(plain_text(404, "Stream not found"));
  http::Response response = plain_text(200, "", {latest_field(channel->next)});
  response.body = std::to_string(channel->next);
  if (channel->closed) response.headers.push_back(closed_field());
  exchange.respond(std::move(response));
}

void relay_live(const RelayStatePtr& state, const std::shared_ptr<http::Exchange>& exchange,
                const RelayTarget& target) {
  ReadGrant grant = state->store->open_read(target.channel, {ReadSelector::Kind::kFromEnd, 2});
  if (grant.status == ReadStatus::kNoChannel) return exchange->respond(plain_text(404, "Stream not found"));
  if (grant.status == ReadStatus::kNoSegment) {
    grant = state->store->open_read(target.channel, {ReadSelector::Kind::kFromEnd, 1});
    if (grant.status != ReadStatus::kSegment) {
      return respond_no_segment(*exchange, *grant.channel, grant.latest, target.segment);
    }
  }
  std::make_shared<LiveReader>(state, exchange, std::move(grant))->start();
}

}  // namespace trickle
