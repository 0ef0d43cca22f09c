#include "media/shm_pool.h"

#include <mutex>
#include <utility>
#include <vector>

#include "base/log.h"
#include "media/shm_region.h"

namespace trickle {
namespace {

constexpr size_t kPageBytes = 4096;
// Pages that were never touched cost nothing, descriptors and mappings do.
constexpr size_t kSlotsPerRegion = 8;
// Slots that are larger than what is asked for by more than this are replaced, too.
constexpr size_t kWaste = 4;

struct Slot {
  std::shared_ptr<SharedRegion> region;
  uint8_t* data = nullptr;
};

struct Shelf {
  std::mutex mutex;
  size_t slot_bytes = 0;
  std::vector<Slot> free;

  void put_back(Slot slot, size_t bytes) {
    const std::lock_guard lock(mutex);
    if (bytes == slot_bytes) free.push_back(std::move(slot));
  }
};

class SharedMemory final : public FrameMemory {
 public:
  std::shared_ptr<uint8_t> take(size_t size_bytes) override {
    Slot slot;
    size_t slot_bytes = 0;
    {
      const std::lock_guard lock(shelf_->mutex);
      if (!prepare(size_bytes)) return heap_->take(size_bytes);
      slot = std::move(shelf_->free.back());
      shelf_->free.pop_back();
      slot_bytes = shelf_->slot_bytes;
    }
    uint8_t* data = slot.data;
    return {data, [shelf = shelf_, slot = std::move(slot), slot_bytes](uint8_t*) mutable {
              shelf->put_back(std::move(slot), slot_bytes);
            }};
  }

 private:
  // Sees to it that a slot of this size is free. Holds the lock.
  bool prepare(size_t size_bytes) {
    if (size_bytes > shelf_->slot_bytes || size_bytes + kPageBytes < shelf_->slot_bytes / kWaste) {
      shelf_->free.clear();
      shelf_->slot_bytes = (size_bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
    }
    if (!shelf_->free.empty()) return true;
    auto region = SharedRegion::create(shelf_->slot_bytes * kSlotsPerRegion);
    if (!region) {
      if (!std::exchange(said_, true)) {
        log::warning("frames go through the pipe: {}", region.error().to_string());
      }
      return false;
    }
    for (size_t i = kSlotsPerRegion; i > 0; --i) {
      shelf_->free.push_back({*region, (*region)->data() + (i - 1) * shelf_->slot_bytes});
    }
    return true;
  }

  std::shared_ptr<Shelf> shelf_ = std::make_shared<Shelf>();
  std::shared_ptr<FrameMemory> heap_ = make_heap_memory();
  bool said_ = false;
};

}  // namespace

std::shared_ptr<FrameMemory> make_shared_memory() { return std::make_shared<SharedMemory>(); }

}  // namespace trickle
