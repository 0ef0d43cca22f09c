#include "media/shm_link.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "base/try.h"
#include "media/frame_memory.h"

namespace trickle {

// What both processes see. Only the states below are ever taken from it, and none of them can hurt: the other
// side can at worst give back what it still reads, or never give back.
struct LinkTable {
  std::array<char, 16> magic;
  std::atomic<uint32_t> taken;
  std::atomic<uint32_t> ended;
  std::atomic<uint32_t> writer_waits;
  std::array<std::atomic<uint32_t>, kMostLeases> leases;
};
static_assert(std::atomic<uint32_t>::is_always_lock_free);

namespace {

constexpr std::string_view kMagic = "trickle link 1\n";
constexpr size_t kTableBytes = 4096;
static_assert(sizeof(LinkTable) <= kTableBytes);
// Regions that a reader keeps mapped although it holds none of their frames.
constexpr size_t kMostRegions = 8;

enum LeaseState : uint32_t { kFree = 0, kSent = 1, kHeld = 2 };

Result<uint64_t> inode_of(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    return unexpected(ErrorKind::kIo, fmt::format("a descriptor is broken: {}", std::strerror(errno)));
  }
  if (!S_ISFIFO(status.st_mode)) return unexpected(ErrorKind::kUsage, "it is no pipe");
  return static_cast<uint64_t>(status.st_ino);
}

// Numbers with colons between them.
template <size_t N>
std::optional<std::array<uint64_t, N>> parse_numbers(std::string_view text) {
  std::array<uint64_t, N> numbers{};
  for (size_t i = 0; i < N; ++i) {
    const size_t colon = text.find(':');
    const std::string_view word = text.substr(0, colon);
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), numbers[i]);
    if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
    if ((colon == std::string_view::npos) != (i + 1 == N)) return std::nullopt;
    text = i + 1 == N ? std::string_view() : text.substr(colon + 1);
  }
  return numbers;
}

}  // namespace

Result<std::unique_ptr<LinkWriter>> LinkWriter::create(int fd) {
  std::unique_ptr<LinkWriter> link(new LinkWriter(fd));
  TRICKLE_TRY_ASSIGN(link->pipe_inode_, inode_of(fd));
  TRICKLE_TRY_ASSIGN(link->table_region_, SharedRegion::create(kTableBytes));
  TRICKLE_TRY_ASSIGN(link->wake_, make_pipe());
  TRICKLE_TRY_ASSIGN(link->wake_inode_, inode_of(link->wake_.read_end.get()));
  ::fcntl(link->wake_.read_end.get(), F_SETFL, O_NONBLOCK);
  link->table_ = new (link->table_region_->data()) LinkTable{};
  std::memcpy(link->table_->magic.data(), kMagic.data(), kMagic.size());
  return link;
}

std::string LinkWriter::offer() const {
  const RegionName& table = table_region_->name();
  return fmt::format("{}:{}:{}:{}:{}:{}", ::getpid(), table.fd, table.inode, wake_.write_end.get(),
                     wake_inode_, pipe_inode_);
}

bool LinkWriter::taken() const { return table_->taken.load() != 0; }

void LinkWriter::take_back() {
  for (size_t i = 0; i < leased_.size(); ++i) {
    if (leased_[i].out && table_->leases[i].load() == kFree) leased_[i] = {};
  }
}

size_t LinkWriter::unread() const {
  size_t count = 0;
  for (size_t i = 0; i < leased_.size(); ++i) {
    if (leased_[i].out && table_->leases[i].load() == kSent) ++count;
  }
  return count;
}

// Until the reader has done something, or is gone.
Result<void> LinkWriter::wait() {
  std::array<pollfd, 2> fds{{{fd_, 0, 0}, {wake_.read_end.get(), POLLIN, 0}}};
  while (::poll(fds.data(), fds.size(), -1) < 0) {
    if (errno != EINTR) return unexpected(ErrorKind::kIo, "waiting for the reader of the frames failed");
  }
  if ((fds[0].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
    return unexpected(ErrorKind::kClosed, "the reader of the frames is gone");
  }
  std::array<char, 64> bytes{};
  while (::read(wake_.read_end.get(), bytes.data(), bytes.size()) > 0) {
  }
  return {};
}

Result<SlotDescriptor> LinkWriter::lease(VideoFrame frame) {
  take_back();  // What came back no longer refers to the frame.
  const std::shared_ptr<SharedRegion> region = SharedRegion::find(frame.planes[0].data, 1);
  std::optional<SlotDescriptor> descriptor =
      region ? describe_slot(frame, *region) : std::optional<SlotDescriptor>();
  if (!descriptor) return unexpected(ErrorKind::kInternal, "a frame lies outside shared memory");
  while (true) {
    const auto free_lease = [&]() -> std::optional<size_t> {
      take_back();
      if (unread() >= kMostUnread) return std::nullopt;
      for (size_t i = 0; i < leased_.size(); ++i) {
        if (!leased_[i].out) return i;
      }
      return std::nullopt;
    };
    std::optional<size_t> found = free_lease();
    if (!found) {
      // The reader looks at this flag after each thing it does: look once more after setting it.
      table_->writer_waits.store(1);
      found = free_lease();
      if (!found) {
        TRICKLE_TRY(wait());
        continue;
      }
      table_->writer_waits.store(0);
    }
    leased_[*found] = {std::move(frame.memory), true};
    table_->leases[*found].store(kSent);
    descriptor->lease = static_cast<uint32_t>(*found);
    return *descriptor;
  }
}

void LinkWriter::finish() {
  table_->ended.store(1);
  while (unread() > 0) {
    table_->writer_waits.store(1);
    if (unread() == 0 || !wait()) return;
  }
}

// Lives as long as the reader or any of its frames does.
struct LinkReader::Shared {
  std::shared_ptr<SharedRegion> region;
  LinkTable* table = nullptr;
  UniqueFd wake;
  std::atomic<size_t> held{0};

  void wake_writer() {
    if (table->writer_waits.exchange(0) == 0) return;
    const char byte = 0;
    // A full pipe wakes as well, and a writer that is gone needs no waking.
    [[maybe_unused]] const ssize_t ignored = ::write(wake.get(), &byte, 1);
  }
  void give_back(uint32_t lease) {
    table->leases[lease].store(kFree);
    wake_writer();
  }
};

Result<std::unique_ptr<LinkReader>> LinkReader::attach(std::string_view offer, int fd) {
  const auto numbers = parse_numbers<6>(offer);
  if (!numbers) return unexpected(ErrorKind::kBadData, "the offer of shared memory is broken");
  const auto [pid, table_fd, table_inode, wake_fd, wake_inode, pipe_inode] = *numbers;
  const Result<uint64_t> own_inode = inode_of(fd);
  if (!own_inode || *own_inode != pipe_inode) {
    return unexpected(ErrorKind::kBadData, "the frames did not come straight from their writer");
  }
  std::unique_ptr<LinkReader> reader(new LinkReader);
  reader->pid_ = static_cast<pid_t>(pid);
  reader->shared_ = std::make_shared<Shared>();
  Shared& shared = *reader->shared_;
  TRICKLE_TRY_ASSIGN(shared.region, SharedRegion::open(reader->pid_, {static_cast<int32_t>(table_fd),
                                                                      table_inode, kTableBytes}));
  shared.table = std::launder(reinterpret_cast<LinkTable*>(shared.region->data()));
  if (std::memcmp(shared.table->magic.data(), kMagic.data(), kMagic.size()) != 0) {
    return unexpected(ErrorKind::kBadData, "the offer of shared memory is broken");
  }
  TRICKLE_TRY_ASSIGN(shared.wake,
                     open_descriptor_of(reader->pid_, static_cast<int>(wake_fd), wake_inode, O_WRONLY));
  shared.table->taken.store(1);
  return reader;
}

LinkReader::~LinkReader() = default;

Result<std::shared_ptr<SharedRegion>> LinkReader::region(const RegionName& name) {
  if (const auto known = regions_.find(name.inode); known != regions_.end()) {
    if (known->second->size_bytes() >= name.size_bytes) return known->second;
    return unexpected(ErrorKind::kBadData, "a frame's descriptor is broken");
  }
  TRICKLE_TRY_ASSIGN(std::shared_ptr<SharedRegion> opened, SharedRegion::open(pid_, name));
  if (regions_.size() >= kMostRegions) {
    // Those that only this map holds: whoever comes back to one pays for mapping it again.
    std::erase_if(regions_, [](const auto& entry) { return entry.second.use_count() == 1; });
  }
  regions_[name.inode] = opened;
  return opened;
}

Result<VideoFrame> LinkReader::open(const SlotDescriptor& descriptor) {
  uint32_t sent = kSent;
  if (descriptor.lease >= kMostLeases) return unexpected(ErrorKind::kBadData, "a frame's lease is broken");
  if (!shared_->table->leases[descriptor.lease].compare_exchange_strong(sent, kHeld)) {
    return unexpected(ErrorKind::kBadData, "a frame's lease is not its own");
  }
  auto opened = region(descriptor.region);
  if (!opened) {
    shared_->give_back(descriptor.lease);
    return unexpected(std::move(opened).error());
  }
  shared_->wake_writer();  // One less is unread.
  VideoFrame frame = frame_in(**opened, descriptor);
  shared_->held.fetch_add(1);
  frame.memory = std::shared_ptr<void>(frame.planes[0].data,
                                       [shared = shared_, region = *opened, lease = descriptor.lease](void*) {
                                         shared->held.fetch_sub(1);
                                         shared->give_back(lease);
                                       });
  if (shared_->held.load() <= kMostHeld) return frame;
  return copy_of(frame);
}

bool LinkReader::ended_well() const { return shared_->table->ended.load() != 0; }

}  // namespace trickle
