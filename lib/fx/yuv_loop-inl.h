// Runs a kernel over the rows of a YUV frame. Included once for each target, inside and outside of
// foreach_target.h.
#if defined(TRICKLE_FX_YUV_LOOP_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRICKLE_FX_YUV_LOOP_INL_H
#undef TRICKLE_FX_YUV_LOOP_INL_H
#else
#define TRICKLE_FX_YUV_LOOP_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "fx/yuv_layout-inl.h"
#include "trickle/frame.h"

HWY_BEFORE_NAMESPACE();
namespace trickle::fx::HWY_NAMESPACE {

// Kernel: made from a plan for each row; step() makes as many cells as a vector of 16-bit lanes holds.
template <class Kernel, class Plan>
struct FrameLoop {
  template <class L>
  static HWY_NOINLINE void row(const Plan& plan, const Rows<L>& in, const Rows<L>& out, size_t width) {
    const Kernel kernel(plan);
    const size_t step_cells = hn::Lanes(D16());
    const size_t whole = width / (step_cells * L::kAcross) * step_cells;
    for (size_t cell = 0; cell < whole; cell += step_cells) {
      kernel.template step<L>(in.at(cell), out.at(cell));
    }
    const size_t done = whole * L::kAcross;
    if (done < width) tail<L>(plan, in.at(whole), out.at(whole), width - done);
  }

  // The last cells of a row, fewer than a vector holds: by way of padded buffers, so that nothing is read or
  // written beyond the row. Columns beyond an odd width repeat the last one, which leaves the mean as it is.
  template <class L>
  static HWY_NOINLINE void tail(const Plan& plan, const Rows<L>& in, const Rows<L>& out, size_t columns) {
    using T = typename L::Type;
    HWY_ALIGN T buffer[4][2 * hn::MaxLanes(D16())] = {};
    const size_t cells = (columns + L::kAcross - 1) / L::kAcross;
    const Rows<L> padded{{buffer[0], buffer[1]}, {buffer[2], buffer[3]}};
    for (int r = 0; r < L::kDown; ++r) {
      std::memcpy(buffer[r], in.luma[r], columns * sizeof(T));
      std::fill(buffer[r] + columns, buffer[r] + cells * L::kAcross, buffer[r][columns - 1]);
    }
    for (int plane = 1; plane < L::kPlanes; ++plane) {
      std::memcpy(buffer[plane + 1], in.chroma[plane - 1], cells * L::kChromaTypes * sizeof(T));
    }
    // A row of one step, which has no tail of its own.
    row<L>(plan, padded, padded, hn::Lanes(D16()) * L::kAcross);
    for (int r = 0; r < L::kDown; ++r) std::memcpy(out.luma[r], buffer[r], columns * sizeof(T));
    for (int plane = 1; plane < L::kPlanes; ++plane) {
      std::memcpy(out.chroma[plane - 1], buffer[plane + 1], cells * L::kChromaTypes * sizeof(T));
    }
  }

  template <class L>
  static Rows<L> rows_of(const VideoFrame& frame, int y) {
    using T = typename L::Type;
    const auto row_of = [&](size_t plane, int index) {
      return reinterpret_cast<T*>(frame.planes[plane].data + index * frame.planes[plane].stride_bytes);
    };
    Rows<L> rows{};
    rows.luma[0] = row_of(0, y);
    // Below an odd height the last row is its own neighbour: read twice, written twice with the same.
    rows.luma[1] = row_of(0, std::min(y + L::kDown - 1, frame.height - 1));
    for (size_t plane = 1; plane < L::kPlanes; ++plane) rows.chroma[plane - 1] = row_of(plane, y / L::kDown);
    return rows;
  }

  template <class L>
  static void frame(const Plan& plan, const VideoFrame& in, const VideoFrame& out) {
    for (int y = 0; y < in.height; y += L::kDown) {
      row<L>(plan, rows_of<L>(in, y), rows_of<L>(out, y), static_cast<size_t>(in.width));
    }
  }

  // \return false for a format whose samples are no bytes.
  static bool run_bytes(const Plan& plan, const VideoFrame& in, const VideoFrame& out) {
    switch (in.format) {
      case PixelFormat::kYuv420p:
        frame<Layout<Samples8, 2, 2, Chroma::kPlanar>>(plan, in, out);
        return true;
      case PixelFormat::kYuv422p:
        frame<Layout<Samples8, 2, 1, Chroma::kPlanar>>(plan, in, out);
        return true;
      case PixelFormat::kYuv444p:
        frame<Layout<Samples8, 1, 1, Chroma::kPlanar>>(plan, in, out);
        return true;
      case PixelFormat::kNv12:
        frame<Layout<Samples8, 2, 2, Chroma::kInterleaved>>(plan, in, out);
        return true;
      case PixelFormat::kGray8:
        frame<Layout<Samples8, 2, 1, Chroma::kNone>>(plan, in, out);
        return true;
      default:
        return false;
    }
  }

  static void run(const Plan& plan, const VideoFrame& in, const VideoFrame& out) {
    if (run_bytes(plan, in, out)) return;
    switch (in.format) {
      case PixelFormat::kYuv420p10:
        return frame<Layout<Samples10, 2, 2, Chroma::kPlanar>>(plan, in, out);
      case PixelFormat::kYuv422p10:
        return frame<Layout<Samples10, 2, 1, Chroma::kPlanar>>(plan, in, out);
      case PixelFormat::kYuv444p10:
        return frame<Layout<Samples10, 1, 1, Chroma::kPlanar>>(plan, in, out);
      default:
        return;
    }
  }
};

}  // namespace trickle::fx::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
