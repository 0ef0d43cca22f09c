#include "pipeline/local_chain.h"

#include <csignal>
#include <future>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/counters.h"
#include "base/log.h"
#include "base/try.h"
#include "codec/continuation.h"
#include "codec/first_size.h"
#include "codec/open.h"
#include "codec/shape_control.h"
#include "io/fd_io.h"
#include "io/stop.h"
#include "media/pcm.h"
#include "media/pump.h"
#include "pipeline/frame_queue.h"
#include "trickle/stream_publisher.h"
#include "trickle/subscriber.h"

namespace trickle::pipeline {
namespace {

constexpr size_t kPictures = 2;  // That wait for the encoder.
constexpr std::chrono::seconds kMaxSegment{10};

// Signals are the program's business: none of them is handled by a thread of ours, and a pipe whose reader
// has gone is an error and no signal.
void block_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

// What a queue gives, as the encoder's wrappers want it.
class QueueSource final : public FrameSource {
 public:
  QueueSource(FrameQueue& queue, const StreamInfo& info) : queue_(queue), info_(info) {}
  [[nodiscard]] const StreamInfo& info() const override { return info_; }
  Result<std::optional<FrameItem>> read() override {
    std::optional<FrameItem> item;
    FrameQueue::Got got = FrameQueue::Got::kWoken;
    while (got == FrameQueue::Got::kWoken) got = queue_.pop(item);
    return got == FrameQueue::Got::kItem ? std::move(item) : std::nullopt;
  }

 private:
  FrameQueue& queue_;
  const StreamInfo info_;
};

FrameQueue::WhenFull when_full(OnLag on_lag) {
  return on_lag == OnLag::kDrop ? FrameQueue::WhenFull::kDropOldest : FrameQueue::WhenFull::kWait;
}

}  // namespace

class LocalChain::Impl {
 public:
  Impl(ProcessorHost& host, ClientOptions options, LocalChainCallbacks callbacks, UniqueFd timeline)
      : host_(host),
        options_(std::move(options)),
        callbacks_(std::move(callbacks)),
        timeline_(std::move(timeline)),
        decoded_(options_.queue_frames, when_full(options_.on_lag), process_counters_),
        processed_(kPictures, FrameQueue::WhenFull::kWait, encode_counters_) {}

  Result<void> run();
  void stop() { stop_.request_stop(); }
  void give_up() { give_up_.request_stop(); }
  void update(const Params& params) {
    {
      const std::lock_guard lock(mutex_);
      pending_ = pending_ ? pending_->merged_with(params) : params;
    }
    decoded_.wake();
  }
  void set_shape(const ShapeControl::Change& change) { shape_->set(change); }
  [[nodiscard]] StageRole failed_stage() const { return failed_stage_; }
  [[nodiscard]] ClientNumbers numbers() const;

 private:
  Result<void> receive();
  Result<void> decode();
  void process();
  bool process_one(FrameItem item);
  Result<void> encode();
  Result<void> publish();
  std::jthread stage(StageRole role, Result<void> (Impl::*run_stage)());
  void note(StageRole role, const Result<void>& result);

  ProcessorHost& host_;
  const ClientOptions options_;
  LocalChainCallbacks callbacks_;
  UniqueFd timeline_;
  StopSource stop_, give_up_;
  std::shared_ptr<ShapeControl> shape_ = std::make_shared<ShapeControl>();
  Counters receive_counters_, decode_counters_, process_counters_, encode_counters_, publish_counters_;
  Pipe to_decoder_, to_publisher_;
  FrameQueue decoded_, processed_;
  std::promise<std::optional<StreamInfo>> info_promise_;
  std::shared_future<std::optional<StreamInfo>> info_{info_promise_.get_future()};

  mutable std::mutex mutex_;
  std::optional<Params> pending_;
  std::optional<Error> failure_;
  StageRole failed_stage_ = StageRole::kFilter;
};

// The first failure explains the others, which only tell that a neighbour has gone.
void LocalChain::Impl::note(StageRole role, const Result<void>& result) {
  if (result || result.error().kind() == ErrorKind::kClosed || result.error().kind() == ErrorKind::kCancelled)
    return;
  {
    const std::lock_guard lock(mutex_);
    if (!failure_) failed_stage_ = role;
    if (!failure_) failure_ = result.error();
  }
  stop();
}

std::jthread LocalChain::Impl::stage(StageRole role, Result<void> (Impl::*run_stage)()) {
  return std::jthread([this, role, run_stage] {
    block_signals();
    try {
      note(role, (this->*run_stage)());
    } catch (const std::exception& exception) {
      note(role, unexpected(ErrorKind::kInternal, exception.what()));
    }
  });
}

Result<void> LocalChain::Impl::run() {
  TRICKLE_TRY_ASSIGN(to_decoder_, make_pipe());
  TRICKLE_TRY_ASSIGN(to_publisher_, make_pipe());
  grow_pipe(to_decoder_.write_end.get(), size_t{1} << 20U);
  {
    const std::jthread receiver = stage(StageRole::kSource, &Impl::receive),
                       decoder = stage(StageRole::kFilter, &Impl::decode);
    std::jthread encoder, publisher;
    if (!options_.publish_url.empty()) {
      encoder = stage(StageRole::kFilter, &Impl::encode);
      publisher = stage(StageRole::kSink, &Impl::publish);
    }
    try {
      process();
    } catch (const std::exception& exception) {
      note(StageRole::kFilter, unexpected(ErrorKind::kInternal, exception.what()));
    }
    decoded_.close();
    processed_.end();
  }
  const std::lock_guard lock(mutex_);
  return failure_ ? Result<void>(unexpected(*failure_)) : Result<void>();
}

Result<void> LocalChain::Impl::receive() {
  const UniqueFd output = std::move(to_decoder_.write_end);  // Closed at the end, which the decoder sees.
  SubscriberOptions wanted;
  wanted.url = options_.subscribe_url;
  wanted.connection = options_.connection;
  wanted.start = options_.start;
  wanted.wait_for_channel = options_.wait_for_channel;
  wanted.stop_fd = stop_.token().fd();
  wanted.output_fd = output.get();
  wanted.counters = &receive_counters_;
  TRICKLE_TRY_ASSIGN(const auto subscriber, Subscriber::open(std::move(wanted)));
  while (true) {
    TRICKLE_TRY_ASSIGN(const SubscriberPiece piece, subscriber->read());
    if (piece.kind == SubscriberPiece::Kind::kEndOfStream) return {};
    if (piece.kind != SubscriberPiece::Kind::kBytes) continue;
    if (auto first = std::exchange(callbacks_.on_first_input, nullptr)) first();
    TRICKLE_TRY(write_until_stopped(output.get(), piece.bytes, stop_.token()));
  }
}

Result<void> LocalChain::Impl::decode() {
  const UniqueFd input = std::move(to_decoder_.read_end);
  DecodeOptions wanted = options_.decode;
  wanted.audio = host_.processes_audio() ? AudioMode::kPcm : AudioMode::kCopy;
  if (options_.encode.audio == AudioMode::kNone && !host_.processes_audio()) wanted.audio = AudioMode::kNone;
  // A stop ends the input; what has come in by then is still decoded.
  auto opened = open_input(input.get(), wanted, decode_counters_, StopToken(), shape_);
  const bool has_source = opened && opened->source != nullptr;
  info_promise_.set_value(has_source ? std::optional(opened->source->info()) : std::nullopt);
  Result<void> result;
  if (!opened) result = unexpected(std::move(opened).error());
  while (has_source && result) {
    auto item = opened->source->read();
    if (!item) {
      result = unexpected(std::move(item).error());
    } else if (!*item || !decoded_.push(std::move(**item))) {
      break;
    }
  }
  decoded_.end();
  return result;
}

void LocalChain::Impl::process() {
  std::optional<FrameItem> item;
  while (true) {
    const FrameQueue::Got got = decoded_.pop(item);
    if (got == FrameQueue::Got::kEnd) break;
    if (got == FrameQueue::Got::kWoken) {
      std::optional<Params> newest;
      {
        const std::lock_guard lock(mutex_);
        newest.swap(pending_);
      }
      if (newest) host_.update(*newest);
      continue;
    }
    if (!process_one(*std::move(item))) break;
  }
}

// \return false when nobody takes what is processed any more.
bool LocalChain::Impl::process_one(FrameItem item) {
  const bool publishes = !options_.publish_url.empty();
  if (auto* video = std::get_if<VideoItem>(&item)) {
    for (VideoFrame& frame : host_.video(std::move(video->frame))) {
      ++process_counters_.frames_out;
      process_counters_.width = static_cast<uint64_t>(frame.width);
      process_counters_.height = static_cast<uint64_t>(frame.height);
      if (publishes && !processed_.push(VideoItem{std::move(frame), video->arrived})) return false;
    }
    return true;
  }
  auto& audio = std::get<AudioItem>(item);
  if (!host_.processes_audio()) return !publishes || processed_.push(std::move(item));
  const AudioTrackInfo& track = (*info_.get()).audio.at(static_cast<size_t>(audio.packet.track));
  for (const AudioFrame& made : host_.audio(from_pcm_packet(audio.packet, track, SampleFormat::kFloat))) {
    AudioItem out{to_pcm_packet(made, track.time_base), audio.arrived};
    if (publishes && !processed_.push(std::move(out))) return false;
  }
  return true;
}

Result<void> LocalChain::Impl::encode() {
  const UniqueFd output = std::move(to_publisher_.write_end);
  Result<void> result;
  if (const std::optional<StreamInfo>& info = info_.get()) {
    std::unique_ptr<FrameSource> source = std::make_unique<QueueSource>(processed_, *info);
    if (options_.keep_size) source = keep_first_size(std::move(source));
    if (timeline_) source = continue_timeline(std::move(source), std::move(timeline_), encode_counters_);
    auto sink = open_encoded_output(output.get(), source->info(), options_.encode, encode_counters_);
    result = sink ? pump(*source, **sink) : Result<void>(unexpected(std::move(sink).error()));
  }
  processed_.close();
  return result;
}

Result<void> LocalChain::Impl::publish() {
  const UniqueFd input = std::move(to_publisher_.read_end);
  StreamPublisherOptions wanted;
  wanted.publisher.url = options_.publish_url;
  wanted.publisher.connection = options_.connection;
  wanted.publisher.on_lag = options_.on_lag;
  wanted.publisher.keep_channel = options_.keep_channel;
  wanted.publisher.stop_fd = stop_.token().fd();
  wanted.publisher.give_up_fd = give_up_.token().fd();
  wanted.publisher.counters = &publish_counters_;
  wanted.split.kind = SplitMode::Kind::kKeyframe;
  wanted.ts = {.min_segment = options_.min_segment, .max_segment = kMaxSegment};
  wanted.on_first_bytes = std::exchange(callbacks_.on_first_output, nullptr);
  StreamPublisher publication(std::move(wanted));
  TRICKLE_TRY(publication.prepare());
  const Result<void> copied = publication.copy(input.get(), StopToken());
  const Result<void> finished = publication.finish();
  const PublisherTotals totals = publication.totals();
  if (totals.lost_bytes > 0) {
    log::warning("{} segments, {} bytes, of the output were lost", totals.lost_segments, totals.lost_bytes);
  }
  return finished ? copied : finished;
}

ClientNumbers LocalChain::Impl::numbers() const {
  const auto count = [](const std::atomic<uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  const bool publishes = !options_.publish_url.empty();
  ClientNumbers n;
  n.frames_in = count(decode_counters_.frames_in);
  n.frames_out = count(publishes ? encode_counters_.frames_out : process_counters_.frames_out);
  n.audio_in = count(decode_counters_.audio_in);
  n.audio_out = count(encode_counters_.audio_out);
  n.frames_failed = host_.counts().failed;
  n.frames_withheld = host_.counts().withheld;
  n.frames_left_out = host_.counts().left_out;
  n.dropped_lag = process_counters_.drops(Drop::kLag) + publish_counters_.drops(Drop::kLag);
  n.dropped_rate = decode_counters_.drops(Drop::kRate);
  n.dropped_damaged = decode_counters_.drops(Drop::kDamaged) + encode_counters_.drops(Drop::kDamaged);
  n.dropped_other = decode_counters_.drops(Drop::kTimestamp) + publish_counters_.drops(Drop::kFailed);
  n.gaps = count(receive_counters_.gaps) + count(decode_counters_.gaps);
  n.bytes_in = count(receive_counters_.bytes_in);
  n.bytes_out = count(publish_counters_.bytes_out);
  n.segments_in = count(receive_counters_.segments_in);
  n.segments_out = count(publish_counters_.segments_out);
  n.width = static_cast<int>(count(process_counters_.width));
  n.height = static_cast<int>(count(process_counters_.height));
  n.latency_p50 = encode_counters_.latency.percentile(0.5);
  n.latency_p99 = encode_counters_.latency.percentile(0.99);
  return n;
}

LocalChain::LocalChain(ProcessorHost& host, ClientOptions options, LocalChainCallbacks callbacks,
                       UniqueFd timeline)
    : impl_(std::make_unique<Impl>(host, std::move(options), std::move(callbacks), std::move(timeline))) {}
LocalChain::~LocalChain() = default;
Result<void> LocalChain::run() { return impl_->run(); }
StageRole LocalChain::failed_stage() const { return impl_->failed_stage(); }
void LocalChain::stop() { impl_->stop(); }
void LocalChain::give_up() { impl_->give_up(); }
void LocalChain::update(const Params& params) { impl_->update(params); }
void LocalChain::set_shape(std::optional<PictureSize> size, std::optional<double> max_fps) {
  impl_->set_shape({size, max_fps});
}
ClientNumbers LocalChain::numbers() const { return impl_->numbers(); }

}  // namespace trickle::pipeline
