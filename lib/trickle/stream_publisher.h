// Publishes a stream of bytes from a descriptor: finds out what it is, splits it into segments and hands them
// to a Publisher. What trickle-pub does, and the end of the chain in one process.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/stop.h"
#include "media/splitter.h"
#include "trickle/publisher.h"

namespace trickle {

struct StreamPublisherOptions {
  PublisherOptions publisher{};  ///< Its content_type is replaced by the one below.
  SplitMode split{};
  TsCutterOptions ts{};
  std::string content_type{};              ///< Empty: by what the input is.
  std::function<void()> on_first_bytes{};  ///< The first bytes of the input have been handed on.
};

/// One thread at a time.
class StreamPublisher {
 public:
  explicit StreamPublisher(StreamPublisherOptions options) : options_(std::move(options)) {}

  /// Connects, unless how to split is still to be found out by the input. \return as Publisher::open().
  Result<void> prepare();
  /// Reads `fd` to its end, or until `stop`, or until the publisher fails, and publishes what comes.
  /// \return what the input or the publisher failed with.
  Result<void> copy(int fd, const StopToken& stop);
  /// Call in any case, once, last: waits until it is clear what became of everything. \return as
  /// Publisher::finish(), which knows best why it ended.
  Result<void> finish();
  [[nodiscard]] PublisherTotals totals() const {
    return publisher_ ? publisher_->totals() : PublisherTotals();
  }

 private:
  class Sink final : public SegmentSink {
   public:
    explicit Sink(Publisher& publisher) : publisher_(publisher) {}
    Result<void> begin_segment() override { return publisher_.begin_segment(); }
    Result<void> end_segment() override { return publisher_.end_segment(); }
    Result<void> write(std::span<const uint8_t> bytes) override {
      return publisher_.write(std::as_bytes(bytes));
    }

   private:
    Publisher& publisher_;
  };

  Result<void> open(const SplitMode& mode, const std::string& content_type);
  [[nodiscard]] std::optional<TimePoint> deadline() const;
  Result<void> on_time();
  Result<void> take(std::span<const uint8_t> bytes);
  Result<void> recognize_input(bool at_end);
  Result<void> end_of_input();

  StreamPublisherOptions options_;
  std::vector<uint8_t> probed_;  ///< While it isn't clear what the input is.
  std::optional<TimePoint> first_byte_at_;
  std::unique_ptr<Publisher> publisher_;
  std::optional<Sink> sink_;
  std::unique_ptr<Splitter> splitter_;
};

}  // namespace trickle
