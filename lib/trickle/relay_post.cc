// Relay: POST of a segment.
#include "base/log.h"
#include "trickle/relay_state.h"

namespace trickle {
namespace {

// One POST, from its head to its answer.
class SegmentPost final : public WriterListener,
                          public WaitingPost,
                          public std::enable_shared_from_this<SegmentPost> {
 public:
  SegmentPost(RelayStatePtr state, std::shared_ptr<http::Exchange> exchange)
      : state_(std::move(state)), exchange_(std::move(exchange)) {}

  void start(const WriteRequest& request) {
    WriteGrant grant = state_->store->open_write(request, *this);
    number_ = grant.number;
    writer_ = std::move(grant.writer);
    if (grant.status != WriteStatus::kGranted) return refuse(grant.status);
    const auto self = shared_from_this();
    exchange_->on_disconnect([self] { self->let_go(); });
    exchange_->release_headers();
    state_->wait_for_body(*this);
    exchange_->read_pieces([self](const Result<std::span<const char>>& piece) {
      if (!piece) return self->let_go();
      piece->empty() ? self->finish() : self->take(*piece);
    });
  }

  void send_continue() override { exchange_->send_continue(); }

  void on_writer_ended(WriterEnd why) override {
    const auto self = shared_from_this();
    if (why == WriterEnd::kSuperseded) {
      end(plain_text(409, "Another writer took this segment over", {seq_field(number_)}), true);
    } else {
      end(accepted(), true);
    }
  }

 private:
  void refuse(WriteStatus status) {
    switch (status) {
      case WriteStatus::kAlreadyClosed:
        log::debug("a late POST of segment {}", number_);
        return exchange_->respond({.headers = {seq_field(number_)}});
      case WriteStatus::kTooManyChannels:
        return end(plain_text(507, "Too many channels"), true);
      case WriteStatus::kOutOfMemory:
        return end(plain_text(507, "The server has no memory left for segments"), true);
      case WriteStatus::kNoNumberLeft:
        return end(plain_text(400, "Invalid idx"), true);
      case WriteStatus::kShuttingDown:
        return end(plain_text(404, "Stream not found", {closed_field()}), true);
      case WriteStatus::kNoChannel:
      case WriteStatus::kGranted:
        return end(plain_text(404, "Stream not found"), true);
    }
  }

  void take(std::span<const char> bytes) {
    if (!has_bytes_) {
      has_bytes_ = true;
      unlink();
      state_->counters.segment = number_;
    }
    state_->counters.bytes_in += bytes.size();
    switch (writer_->append(bytes)) {
      case AppendStatus::kTaken:
      case AppendStatus::kDiscarded:  // Answered already.
        return;
      case AppendStatus::kSegmentFull:
        return end(plain_text(413, "The segment is larger than this server takes", {seq_field(number_)}),
                   true);
      case AppendStatus::kOutOfMemory:
        return end(plain_text(507, "The server has no memory left for segments", {seq_field(number_)}), true);
    }
  }

  void finish() {
    writer_->finish();
    ++state_->counters.segments_in;
    end(accepted(), !has_bytes_);
  }

  [[nodiscard]] http::Response accepted() const {
    http::Response response{.headers = {seq_field(number_)}};
    if (writer_->channel_closed()) response.headers.push_back(closed_field());
    return response;
  }

  void end(http::Response response, bool close) {
    if (is_linked()) unlink();
    response.close = close;
    exchange_->respond(std::move(response));
  }

  // The client left: the segment stays for a successor.
  void let_go() {
    if (is_linked()) unlink();
    writer_.reset();
  }

  RelayStatePtr state_;
  std::shared_ptr<http::Exchange> exchange_;
  std::unique_ptr<SegmentWriter> writer_;
  SegmentNumber number_ = -1;
  bool has_bytes_ = false;
};

}  // namespace

void relay_post(const RelayStatePtr& state, const std::shared_ptr<http::Exchange>& exchange,
                const RelayTarget& target) {
  const auto number = parse_segment_number(target.segment);
  if (!number || *number < -1) return exchange->respond(plain_text(400, "Invalid idx"));
  WriteRequest request;
  request.channel = target.channel;
  if (*number >= 0) request.number = *number;
  request.content_type = exchange->head().header("Content-Type");
  request.reset = !exchange->head().header("Lp-Trickle-Reset").empty();
  request.may_create = state->may_create(target.channel, exchange->head());
  std::make_shared<SegmentPost>(state, exchange)->start(request);
}

}  // namespace trickle
