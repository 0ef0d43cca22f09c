// Channels and their segments behind one interface: the rules of the trickle protocol without HTTP, sockets
// or timers. Time comes from a Clock, bytes come in spans, and what others must know is told through
// listeners.
//
//              create, POST                       DELETE, idle sweep
//    ┌──────┐ (autocreate)    ┌──────┐                                   ┌────────────┐   60 s   ┌──────┐
//    │ none │ ──────────────▶ │ open │ ────────────────────────────────▶ │ tombstoned │ ───────▶ │ none │
//    └──────┘                 └──────┘                                   └────────────┘          └──────┘
//                              │  ▲  ▲                                        │
//                     shutdown │  │  └──── create, POST of 0 or -1, Reset ────┘
//                              ▼  └─────── (a POST of a number > 0 is a late one: 404)
//                         ┌────────┐
//                         │ closed │  open segments may end, everything else has ended
//                         └────────┘
//
// Whoever starts over in an open channel (Reset on a number that is closed or gone; or without Reset, such a
// number after 5 s in which nothing was open or written) closes it and opens a new one of that name at 0.
//
// Not thread-safe. Listeners are called at the end of the call that changed something, never in its middle;
// they may call the store.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/clock.h"
#include "trickle/segment.h"

namespace trickle {

/// How a writer loses its segment other than by finishing it.
enum class WriterEnd {
  kSegmentClosed,  ///< DELETE of the segment, a Reset above it, or eviction.
  kChannelClosed,
  kSuperseded,  ///< Another writer took the segment over.
};

class WriterListener {
 public:
  /// Called once, and then the writer discards everything. May destroy the writer.
  virtual void on_writer_ended(WriterEnd why) = 0;

 protected:
  ~WriterListener() = default;
};

enum class AppendStatus {
  kTaken,
  kDiscarded,    ///< The writer has lost its segment.
  kSegmentFull,  ///< Over a byte cap of segment or channel: nothing taken, the segment is closed as it is.
  kOutOfMemory,  ///< The same for the memory cap of all channels.
};

/// The right to append to one segment. Destroying it unfinished leaves the segment open for a successor.
class SegmentWriter {
 public:
  virtual ~SegmentWriter() = default;
  [[nodiscard]] virtual SegmentNumber number() const = 0;
  [[nodiscard]] virtual bool channel_closed() const = 0;
  virtual AppendStatus append(std::span<const char> bytes) = 0;
  /// Closes the segment.
  virtual void finish() = 0;
};

enum class WriteStatus {
  kGranted,
  kNoChannel,      ///< And it may not be created, or is tombstoned.
  kAlreadyClosed,  ///< The segment is complete or gone: there is nothing to send.
  kTooManyChannels,
  kOutOfMemory,   ///< Over the memory cap of all channels.
  kNoNumberLeft,  ///< The channel has come to the largest number there is.
  kShuttingDown,
};

struct WriteRequest {
  std::string_view channel;
  std::optional<SegmentNumber> number;  ///< None: the next one.
  std::string_view content_type;        ///< For a channel that is created by this.
  bool reset = false;                   ///< The publisher has restarted.
  bool may_create = false;
};

struct WriteGrant {
  WriteStatus status;
  SegmentNumber number = -1;  ///< In effect; with kGranted and kAlreadyClosed.
  std::unique_ptr<SegmentWriter> writer;
};

/// Which segment a reader wants.
struct ReadSelector {
  enum class Kind {
    kNumber,   ///< `value` itself.
    kFromEnd,  ///< 1: the next one, 2: the current one (at least 0), N: next - (N-1).
    kOldest,   ///< The oldest one kept, or the next one of an empty channel.
  };
  Kind kind;
  SegmentNumber value = 0;
};

enum class ReadStatus { kSegment, kNoChannel, kNoSegment };

struct ReadGrant {
  ReadStatus status;
  std::shared_ptr<Segment> segment;            ///< With kSegment. Give it back with release().
  std::shared_ptr<const ChannelHead> channel;  ///< Unless kNoChannel.
  SegmentNumber latest = 0;                    ///< channel->next when asked, or when it ended.
  bool just_ended = false;                     ///< With kNoChannel: it was there a moment ago.
};

enum class CreateStatus { kCreated, kExists, kNoChannel, kTooManyChannels, kOutOfMemory, kShuttingDown };
enum class CloseStatus { kClosed, kNoChannel, kNoSegment };

struct StoreLimits {
  size_t window = 5;  ///< Written segments kept for each channel.
  uint64_t max_segment_bytes = 64ull << 20;
  uint64_t max_channel_bytes = 256ull << 20;
  /// Of all channels together: bytes, what it takes to keep them, and what readers still hold of channels
  /// that have ended.
  uint64_t memory_bytes = UINT64_MAX;
  size_t max_channels = SIZE_MAX;
  Duration idle_timeout = std::chrono::minutes(5);
  /// How many threads may hold copies of each channel and of the list of each segment's chunks (see
  /// shared_store.h): they count for the memory.
  size_t copies = 0;
};

struct ChannelOptions {
  std::string content_type{};
  size_t window = 0;       ///< 0: that of the limits.
  bool permanent = false;  ///< Never swept.
  bool uncapped = false;   ///< Bounded by its window alone: for the relay's own small documents.
};

/// One channel at one moment.
struct ChannelReport {
  std::string name;
  std::string content_type;
  SegmentNumber next;
  struct SegmentReport {
    SegmentNumber number;
    SegmentState state;
    uint64_t size_bytes;
    bool has_writer;
    size_t readers;
  };
  std::vector<SegmentReport> segments;
  uint64_t bytes_in;     ///< Since its creation.
  double bytes_in_rate;  ///< In a second, lately.
  uint64_t bytes_out;    ///< To all its readers.
  double bytes_out_rate;
  double segments_rate;  ///< Completed in a second, lately.
  Duration age;
  Duration idle;  ///< Since the last byte.
};

struct KeptSegments {
  SegmentNumber oldest;  ///< The next one, where none is kept.
  std::vector<std::shared_ptr<const Segment>> segments;
};

struct StoreTotals {
  size_t channels = 0;
  uint64_t footprint_bytes = 0;
  uint64_t bytes_in = 0;
  uint64_t segments_closed = 0;
  uint64_t segments_evicted = 0;
  uint64_t late_posts = 0;       ///< POSTs of segments that were complete or gone.
  uint64_t discarded_bytes = 0;  ///< Sent by writers that had lost their segment.
};

class ChannelStore {
 public:
  /// Told of each channel made (true) and ended (false).
  using Observer = std::function<void(const std::string& channel, bool added)>;

  virtual ~ChannelStore() = default;
  virtual void set_observer(Observer observer) = 0;

  /// \param may_create  false: only says whether it exists.
  virtual CreateStatus create(std::string_view channel, ChannelOptions options, bool may_create) = 0;
  /// `listener` must live as long as the writer.
  virtual WriteGrant open_write(const WriteRequest& request, WriterListener& listener) = 0;
  virtual ReadGrant open_read(std::string_view channel, ReadSelector selector) = 0;
  /// A reader is done with a segment that open_read() gave it.
  virtual void release(const std::shared_ptr<Segment>& segment) = 0;
  /// What an endless reader goes on with that has had all of `current`: the first later segment that has
  /// bytes, or that a writer has announced. Null while there is none, or while `current` itself may still get
  /// bytes. Give it back with release().
  virtual std::shared_ptr<Segment> follow(const std::shared_ptr<Segment>& current) = 0;
  /// `listener` is told of each segment of the channel that opens or closes, and of its end.
  virtual void listen(const ChannelHead& channel, ChangeListener& listener) = 0;
  /// The segments above number `above`, by rising numbers; nothing once the channel has ended.
  [[nodiscard]] virtual KeptSegments kept(const ChannelHead& channel, SegmentNumber above) const = 0;
  /// Null when there is no such channel.
  [[nodiscard]] virtual std::shared_ptr<const ChannelHead> find(std::string_view channel) const = 0;
  virtual CloseStatus close_segment(std::string_view channel, SegmentNumber number) = 0;
  /// \return false when there is no such channel.
  virtual bool remove(std::string_view channel) = 0;
  /// Ends idle channels and forgets old tombstones. To be called now and then.
  virtual void sweep() = 0;

  /// Closes every channel, and every segment that no writer is in the middle of. Nothing can be created or
  /// written anew after it.
  virtual void begin_shutdown() = 0;
  /// Whether a writer is still in the middle of a segment.
  [[nodiscard]] virtual bool writing() const = 0;
  /// Closes what is still open.
  virtual void end_shutdown() = 0;

  [[nodiscard]] virtual std::vector<ChannelReport> report() const = 0;
  [[nodiscard]] virtual StoreTotals totals() const = 0;
};

/// The store that keeps everything in this process's memory. `clock` must outlive it.
[[nodiscard]] std::unique_ptr<ChannelStore> make_memory_store(StoreLimits limits, const Clock& clock);

}  // namespace trickle
