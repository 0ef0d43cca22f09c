// For tests of effects: the exact formulas in double precision, and frames of random content.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <vector>

#include "fx/color_step.h"
#include "fx/yuv_matrix.h"
#include "trickle/frame.h"

namespace trickle::fx::test {

/// A frame whose rows are `padding` bytes longer than they need to be and which may be upside down;
/// everything is random, the padding too.
inline VideoFrame random_frame(PixelFormat format, int width, int height, uint32_t seed, size_t padding = 0,
                               bool upside_down = false) {
  std::mt19937 random(seed);
  const PixelFormatInfo& info = pixel_format_info(format);
  size_t total = 64;
  for (int p = 0; p < info.planes; ++p) {
    total +=
        (plane_row_bytes(format, p, width) + padding) * static_cast<size_t>(plane_rows(format, p, height));
  }
  auto memory = std::make_shared<std::vector<uint8_t>>(total);
  for (auto& byte : *memory) byte = static_cast<uint8_t>(random());
  VideoFrame frame;
  frame.width = width;
  frame.height = height;
  frame.format = format;
  uint8_t* data = memory->data();
  for (int p = 0; p < info.planes; ++p) {
    const size_t stride = plane_row_bytes(format, p, width) + padding;
    const auto rows = static_cast<size_t>(plane_rows(format, p, height));
    if (info.bits > 8) {
      auto* samples = reinterpret_cast<uint16_t*>(data);
      for (size_t i = 0; i < stride * rows / 2; ++i) samples[i] &= 0x3FF;
    }
    auto& plane = frame.planes[static_cast<size_t>(p)];
    plane = {data, static_cast<ptrdiff_t>(stride)};
    if (upside_down) plane = {data + stride * (rows - 1), -static_cast<ptrdiff_t>(stride)};
    data += stride * rows;
  }
  frame.memory = memory;
  frame.exclusive = true;
  return frame;
}

/// Sample `component` (0 to 2: Y, U, V or R, G, B; 3: alpha) at (x, y) of that component's own grid.
inline double sample(const VideoFrame& frame, int component, int x, int y) {
  const auto c = static_cast<size_t>(component);
  const auto at = [&](size_t plane, int byte) {
    return frame.planes[plane].data + y * frame.planes[plane].stride_bytes + byte;
  };
  switch (frame.format) {
    case PixelFormat::kRgb24:
      return *at(0, 3 * x + component);
    case PixelFormat::kRgba:
      return *at(0, 4 * x + component);
    case PixelFormat::kBgra:
      return *at(0, 4 * x + (component == 3 ? 3 : 2 - component));
    case PixelFormat::kGbrp:
      return *at(component == 0 ? 2 : c - 1, x);
    case PixelFormat::kNv12:
      return component == 0 ? *at(0, x) : *at(1, 2 * x + component - 1);
    default:
      return pixel_format_info(frame.format).bits > 8 ? *reinterpret_cast<uint16_t*>(at(c, 2 * x))
                                                      : *at(c, x);
  }
}

inline Row3 apply(const std::array<Row3, 3>& matrix, const Row3& offset, const Row3& value) {
  Row3 result = offset;
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) result[i] += matrix[i][j] * value[j];
  }
  return result;
}

/// The steps one after another, each clamped: what effects are defined to do.
inline Row3 apply_steps(const std::vector<ColorStep>& steps, Row3 rgb) {
  for (const auto& step : steps) {
    rgb = apply(step.matrix, step.offset, rgb);
    for (double& x : rgb) x = std::pow(std::clamp(x, 0.0, 1.0), step.exponent);
  }
  return rgb;
}

/// The exact result as components in row order, not rounded: all of component 0, then 1, then 2.
struct Exact {
  std::vector<double> components[3];
};

inline Exact exact_rgb(const VideoFrame& frame, const std::vector<ColorStep>& steps) {
  Exact exact;
  for (int y = 0; y < frame.height; ++y) {
    for (int x = 0; x < frame.width; ++x) {
      Row3 rgb;
      for (int c = 0; c < 3; ++c) rgb[static_cast<size_t>(c)] = sample(frame, c, x, y) / 255;
      rgb = apply_steps(steps, rgb);
      for (size_t c = 0; c < 3; ++c) exact.components[c].push_back(rgb[c] * 255);
    }
  }
  return exact;
}

inline Exact exact_yuv(const VideoFrame& frame, const std::vector<ColorStep>& steps) {
  const PixelFormatInfo& info = pixel_format_info(frame.format);
  const YuvMatrix m = yuv_matrix(frame.color, info.bits);
  const bool has_chroma = info.planes > 1;
  const int shift_x = info.log2_chroma_w;
  const int shift_y = info.log2_chroma_h;
  const int chroma_width = (frame.width + (1 << shift_x) - 1) >> shift_x;
  const int chroma_height = (frame.height + (1 << shift_y) - 1) >> shift_y;
  const double highest = (1 << info.bits) - 1;
  Exact exact;
  std::vector<double> sums[2];
  std::vector<int> counts(static_cast<size_t>(chroma_width * chroma_height), 0);
  for (auto& s : sums) s.resize(counts.size(), 0);
  for (int y = 0; y < frame.height; ++y) {
    for (int x = 0; x < frame.width; ++x) {
      Row3 yuv{sample(frame, 0, x, y), m.to_yuv_offset[1], m.to_yuv_offset[2]};
      for (int c = 1; c < 3 && has_chroma; ++c) {
        yuv[static_cast<size_t>(c)] = sample(frame, c, x >> shift_x, y >> shift_y);
      }
      yuv = apply(m.to_yuv, m.to_yuv_offset, apply_steps(steps, apply(m.to_rgb, m.to_rgb_offset, yuv)));
      exact.components[0].push_back(yuv[0]);
      const auto cell = static_cast<size_t>((y >> shift_y) * chroma_width + (x >> shift_x));
      for (size_t c = 0; c < 2; ++c) sums[c][cell] += yuv[c + 1];
      ++counts[cell];
    }
  }
  for (size_t c = 0; c < 2 && has_chroma; ++c) {
    for (size_t i = 0; i < counts.size(); ++i) {
      exact.components[c + 1].push_back(std::min(sums[c][i] / counts[i], highest));
    }
  }
  return exact;
}

inline Exact exact(const VideoFrame& frame, const std::vector<ColorStep>& steps) {
  return pixel_format_info(frame.format).rgb ? exact_rgb(frame, steps) : exact_yuv(frame, steps);
}

/// How far a frame is from the exact result, in codes.
struct Distance {
  double worst = 0;
  double squares = 0;
  size_t count = 0;

  void add(double difference) {
    worst = std::max(worst, std::abs(difference));
    squares += difference * difference;
    ++count;
  }
  [[nodiscard]] double psnr(int bits) const {
    const double highest = (1 << bits) - 1;
    return 10 * std::log10(highest * highest * static_cast<double>(count) / std::max(squares, 1e-9));
  }
};

inline Distance distance(const VideoFrame& frame, const Exact& exact) {
  const PixelFormatInfo& info = pixel_format_info(frame.format);
  Distance result;
  for (int c = 0; c < 3; ++c) {
    const bool chroma = c > 0 && !info.rgb;
    const int width =
        chroma ? (frame.width + (1 << info.log2_chroma_w) - 1) >> info.log2_chroma_w : frame.width;
    size_t i = 0;
    for (const double expected : exact.components[c]) {
      const auto x = static_cast<int>(i % static_cast<size_t>(width));
      const auto y = static_cast<int>(i / static_cast<size_t>(width));
      result.add(sample(frame, c, x, y) - expected);
      ++i;
    }
  }
  return result;
}

}  // namespace trickle::fx::test
