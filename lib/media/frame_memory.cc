#include "media/frame_memory.h"

#include <cstring>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace trickle {
namespace {

constexpr size_t kRowAlignment = 64;
constexpr size_t kTailBytes = 64;
// More free pieces than this are never kept: between two stages there is one.
constexpr size_t kMostFree = 4;

struct AlignedDelete {
  void operator()(uint8_t* data) const { ::operator delete (data, std::align_val_t{kRowAlignment}); }
};
using Piece = std::unique_ptr<uint8_t, AlignedDelete>;

struct Shelf {
  std::mutex mutex;
  size_t piece_bytes = 0;
  std::vector<Piece> free;
};

class HeapMemory final : public FrameMemory {
 public:
  std::shared_ptr<uint8_t> take(size_t size_bytes) override {
    Piece piece;
    {
      const std::lock_guard lock(shelf_->mutex);
      if (shelf_->piece_bytes != size_bytes) shelf_->free.clear();
      shelf_->piece_bytes = size_bytes;
      if (!shelf_->free.empty()) {
        piece = std::move(shelf_->free.back());
        shelf_->free.pop_back();
      }
    }
    if (!piece) {
      piece.reset(
          static_cast<uint8_t*>(::operator new (size_bytes, std::align_val_t{kRowAlignment}, std::nothrow)));
    }
    if (!piece) return nullptr;
    return {piece.release(), [shelf = shelf_, size_bytes](uint8_t* data) {
              Piece back(data);
              const std::lock_guard lock(shelf->mutex);
              if (shelf->piece_bytes == size_bytes && shelf->free.size() < kMostFree) {
                shelf->free.push_back(std::move(back));
              }
            }};
  }

 private:
  std::shared_ptr<Shelf> shelf_ = std::make_shared<Shelf>();
};

size_t padded_row_bytes(PixelFormat format, int plane, int width) {
  return (plane_row_bytes(format, plane, width) + kRowAlignment - 1) / kRowAlignment * kRowAlignment;
}

}  // namespace

std::shared_ptr<FrameMemory> make_heap_memory() { return std::make_shared<HeapMemory>(); }

VideoFrame make_padded_frame(FrameMemory& memory, PixelFormat format, int width, int height) {
  const int planes = pixel_format_info(format).planes;
  size_t total = kTailBytes;
  for (int plane = 0; plane < planes; ++plane) {
    total += padded_row_bytes(format, plane, width) * static_cast<size_t>(plane_rows(format, plane, height));
  }
  VideoFrame frame;
  std::shared_ptr<uint8_t> piece = memory.take(total);
  if (!piece) return frame;
  frame.width = width;
  frame.height = height;
  frame.format = format;
  uint8_t* data = piece.get();
  for (int plane = 0; plane < planes; ++plane) {
    const auto stride = static_cast<ptrdiff_t>(padded_row_bytes(format, plane, width));
    frame.planes[static_cast<size_t>(plane)] = {data, stride};
    data += stride * plane_rows(format, plane, height);
  }
  frame.memory = std::move(piece);
  frame.exclusive = true;
  return frame;
}

void copy_pixels(const VideoFrame& from, const VideoFrame& to) {
  for (int plane = 0; plane < pixel_format_info(from.format).planes; ++plane) {
    const Plane& source = from.planes[static_cast<size_t>(plane)];
    const Plane& target = to.planes[static_cast<size_t>(plane)];
    const size_t row_bytes = plane_row_bytes(from.format, plane, from.width);
    const int rows = plane_rows(from.format, plane, from.height);
    if (source.stride_bytes == target.stride_bytes && source.stride_bytes > 0) {
      // One copy over the padding between the rows is quicker than one for each row.
      std::memcpy(target.data, source.data,
                  static_cast<size_t>(source.stride_bytes) * static_cast<size_t>(rows - 1) + row_bytes);
      continue;
    }
    for (int row = 0; row < rows; ++row) {
      std::memcpy(target.data + row * target.stride_bytes, source.data + row * source.stride_bytes,
                  row_bytes);
    }
  }
}

}  // namespace trickle
