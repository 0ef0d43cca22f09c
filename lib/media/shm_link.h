// Frames from one process to the next without copying them: the pipe between the two carries descriptors
// (shm_descriptor.h), a small shared table says which frames the reader still holds.
//
// The writer begins a plain frame stream (NUT) whose header offers the link in one word. A reader of ours
// whose input is that very pipe opens the table and says so in it; from the next frame on the writer sends
// descriptors. Every other reader (ffplay, PyAV, tee, a file, another user or container) takes no notice and
// goes on getting pictures. Nobody waits for an answer, and nothing is decided by time.
//
// Each frame on its way is one lease: the writer keeps the frame's memory until the reader gives the lease
// back. So a frame may be passed on from process to process: its memory goes back link by link. A writer
// without a free lease waits for one; that wait ends as well when the reader dies.
//
// Wake-ups: the reader finds a new frame by the descriptor in the pipe, which it can wait for together with a
// stop request and the writer's end. The writer, only when it waits, gets a byte through a second pipe that
// the reader opens as it opens the table. Measured against futexes in the table, a hop there and back takes 7
// to 15 µs by pipes and 5 to 18 by futexes (medians 10 and 6, both less than 10 µs of CPU), and 18 against 39
// after 5 ms of idling: no difference beside a frame's pixels. And a futex can be waited for neither together
// with descriptors nor for the death of its owner.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "io/fd_io.h"
#include "media/shm_descriptor.h"
#include "media/shm_region.h"
#include "trickle/frame.h"
#include "trickle/result.h"

namespace trickle {

struct LinkTable;

/// Frames on their way at most: those that the reader holds (for B-frames, for batches) and those unread.
inline constexpr size_t kMostLeases = 32;
/// Of these, such that the reader has not looked at: deeper queues would only add delay.
inline constexpr size_t kMostUnread = 2;
/// A reader that holds more than this copies, so that it never waits for itself.
inline constexpr size_t kMostHeld = 24;

/// The writer's end. Belongs to one thread.
class LinkWriter {
 public:
  /// \param fd the pipe that the frame stream is written to, not owned. \return kUsage when it is no pipe,
  /// kIo.
  static Result<std::unique_ptr<LinkWriter>> create(int fd);

  /// The word for the stream's header: without spaces.
  [[nodiscard]] std::string offer() const;
  /// True once the reader has taken the offer.
  [[nodiscard]] bool taken() const;

  /// Describes `frame`, whose pixels lie in a SharedRegion, and keeps its memory until the reader gives it
  /// back. Waits while the reader has all that it may have.
  /// \return kClosed when the reader is gone, kInternal when the pixels lie elsewhere.
  Result<SlotDescriptor> lease(VideoFrame frame);
  /// Says that the stream ends as it should, and waits until the reader has seen every frame: after that this
  /// process may end. A reader that is gone ends the wait, too.
  void finish();

 private:
  explicit LinkWriter(int fd) : fd_(fd) {}
  void take_back();
  [[nodiscard]] size_t unread() const;
  Result<void> wait();

  int fd_;
  uint64_t pipe_inode_ = 0;
  std::shared_ptr<SharedRegion> table_region_;
  LinkTable* table_ = nullptr;
  Pipe wake_;
  uint64_t wake_inode_ = 0;
  struct Leased {
    std::shared_ptr<void> memory;
    bool out = false;
  };
  std::array<Leased, kMostLeases> leased_;
};

/// The reader's end. Belongs to one thread; the frames it gives may be released on any other and outlive it.
class LinkReader {
 public:
  /// Takes the offer that stood in the header of the stream that `fd` carries.
  /// \return kBadData when it is not meant for this pipe or broken, kIo when it can't be reached.
  static Result<std::unique_ptr<LinkReader>> attach(std::string_view offer, int fd);
  ~LinkReader();

  /// The frame that a descriptor stands for, without timing and properties. It is writable where the writer
  /// said that nobody else refers to it. \return kBadData for a descriptor that lies, kIo when its region
  /// can't be opened.
  Result<VideoFrame> open(const SlotDescriptor& descriptor);
  /// True once the writer said that the stream ended as it should.
  [[nodiscard]] bool ended_well() const;

 private:
  struct Shared;
  LinkReader() = default;
  Result<std::shared_ptr<SharedRegion>> region(const RegionName& name);

  pid_t pid_ = 0;
  std::shared_ptr<Shared> shared_;
  std::map<uint64_t, std::shared_ptr<SharedRegion>> regions_;  // By inode; those in use lately.
};

}  // namespace trickle
