// Owners for the C objects of libav*, one alias each, and its error numbers as our errors.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/buffer.h>
#include <libavutil/dict.h>
#include <libavutil/frame.h>
#include <libswresample/swresample.h>
#include <libswscale/swscale.h>
}

#include <fmt/format.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "trickle/result.h"

namespace trickle {

struct AvDeleter {
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
  void operator()(AVCodecContext* context) const { avcodec_free_context(&context); }
  void operator()(AVCodecParameters* parameters) const { avcodec_parameters_free(&parameters); }
  void operator()(AVCodecParserContext* parser) const { av_parser_close(parser); }
  void operator()(SwsContext* context) const { sws_freeContext(context); }
  void operator()(SwrContext* context) const { swr_free(&context); }
  void operator()(AVBufferPool* pool) const { av_buffer_pool_uninit(&pool); }
  void operator()(AVBufferRef* buffer) const { av_buffer_unref(&buffer); }
};

struct InputCloser {
  void operator()(AVFormatContext* context) const { avformat_close_input(&context); }
};
struct OutputFreer {
  void operator()(AVFormatContext* context) const { avformat_free_context(context); }
};
using InputContextPtr = std::unique_ptr<AVFormatContext, InputCloser>;
using OutputContextPtr = std::unique_ptr<AVFormatContext, OutputFreer>;
using FramePtr = std::unique_ptr<AVFrame, AvDeleter>;
using PacketPtr = std::unique_ptr<AVPacket, AvDeleter>;
using CodecContextPtr = std::unique_ptr<AVCodecContext, AvDeleter>;
using CodecParametersPtr = std::unique_ptr<AVCodecParameters, AvDeleter>;
using ParserPtr = std::unique_ptr<AVCodecParserContext, AvDeleter>;
using SwsPtr = std::unique_ptr<SwsContext, AvDeleter>;
using SwrPtr = std::unique_ptr<SwrContext, AvDeleter>;
using BufferPoolPtr = std::unique_ptr<AVBufferPool, AvDeleter>;
using BufferPtr = std::unique_ptr<AVBufferRef, AvDeleter>;

/// A dictionary that is filled and then handed to a function that takes what it knows out of it.
class AvDictionary {
 public:
  AvDictionary() = default;
  AvDictionary(const AvDictionary&) = delete;
  AvDictionary& operator=(const AvDictionary&) = delete;
  ~AvDictionary() { av_dict_free(&dictionary_); }

  void set(const char* key, const std::string& value) { av_dict_set(&dictionary_, key, value.c_str(), 0); }
  [[nodiscard]] AVDictionary** get() { return &dictionary_; }
  /// A key that nobody took, or null. Valid until the dictionary changes.
  [[nodiscard]] const char* first_left_over() const {
    const AVDictionaryEntry* entry = av_dict_get(dictionary_, "", nullptr, AV_DICT_IGNORE_SUFFIX);
    return entry != nullptr ? entry->key : nullptr;
  }

 private:
  AVDictionary* dictionary_ = nullptr;
};

[[nodiscard]] inline std::string av_error_text(int code) {
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  av_strerror(code, text.data(), text.size());
  return text.data();
}

[[nodiscard]] inline Unexpected av_unexpected(ErrorKind kind, std::string_view what, int code) {
  return unexpected(kind, fmt::format("{}: {}", what, av_error_text(code)));
}

}  // namespace trickle
