#include "fx/frame_pool.h"

#include <mutex>
#include <utility>
#include <vector>

namespace trickle::fx {
namespace {

// More than this many free frames are never kept: between two stages there is one.
constexpr size_t kMostFree = 4;

}  // namespace

struct FramePool::Shelf {
  std::mutex mutex;
  size_t size_bytes = 0;  // Of each free picture.
  std::vector<VideoFrame> free;

  void put_back(VideoFrame&& frame, size_t frame_size_bytes) {
    const std::lock_guard lock(mutex);
    if (frame_size_bytes == size_bytes && free.size() < kMostFree) free.push_back(std::move(frame));
  }
};

FramePool::FramePool() : shelf_(std::make_shared<Shelf>()) {}

VideoFrame FramePool::take(PixelFormat format, int width, int height) {
  const size_t size_bytes = packed_picture_bytes(format, width, height);
  VideoFrame owner;
  {
    const std::lock_guard lock(shelf_->mutex);
    if (shelf_->size_bytes != size_bytes) shelf_->free.clear();
    shelf_->size_bytes = size_bytes;
    if (!shelf_->free.empty()) {
      owner = std::move(shelf_->free.back());
      shelf_->free.pop_back();
    }
  }
  if (!owner.memory) owner = make_video_frame(format, width, height);

  uint8_t* data = owner.planes[0].data;
  auto* kept = new VideoFrame(std::move(owner));
  std::shared_ptr<void> memory(data, [kept, shelf = shelf_, size_bytes](void*) {
    shelf->put_back(std::move(*kept), size_bytes);
    delete kept;
  });
  VideoFrame frame = wrap_packed_picture(format, width, height, data, std::move(memory));
  frame.exclusive = true;
  return frame;
}

}  // namespace trickle::fx
