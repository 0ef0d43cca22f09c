// The least HTTP client that can drive a trickle server at full speed: parses answers piece by piece, without
// a copy of their bodies.
#pragma once

#include <charconv>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace trickle::bench {

struct AnswerHead {
  int status = 0;
  int64_t segment = -1;  ///< Lp-Trickle-Seq.
  int64_t latest = -1;   ///< Lp-Trickle-Latest.
  bool closed = false;   ///< Lp-Trickle-Closed.
  bool chunked = false;
  bool keeps_alive = true;
  uint64_t length_bytes = 0;  ///< Content-Length.
};

/// \param text  a whole head, its empty line included.
[[nodiscard]] AnswerHead parse_answer_head(std::string_view text);

/// Parses the answers on one connection, one after another. Interim answers (1xx) are passed over.
class AnswerReader {
 public:
  /// Feeds what was received. `handler` is told on_head(const AnswerHead&), on_body(span) any number of
  /// times, and on_end(). \return false when the bytes are no HTTP.
  template <typename Handler>
  bool feed(std::string_view bytes, Handler& handler);
  /// Whether an answer has begun and not ended.
  [[nodiscard]] bool in_body() const { return state_ != State::kHead; }
  void reset() { *this = AnswerReader(); }

 private:
  enum class State { kHead, kLength, kSizeLine, kData, kDataEnd, kTrailer };
  // Moves the rest of the line that ends `text` to it. \return false when it has not ended yet.
  bool take_line(std::string_view& bytes);
  bool begin_chunk();

  State state_ = State::kHead;
  std::string text_;  ///< A head or a line that is not complete yet.
  uint64_t left_ = 0;
};

template <typename Handler>
bool AnswerReader::feed(std::string_view bytes, Handler& handler) {
  while (!bytes.empty()) {
    switch (state_) {
      case State::kHead: {
        if (!take_line(bytes)) return text_.size() < 64 * 1024;
        if (!text_.ends_with("\r\n\r\n")) break;
        const AnswerHead head = parse_answer_head(text_);
        text_.clear();
        if (head.status < 100) return false;
        if (head.status < 200) break;
        left_ = head.length_bytes;
        state_ = head.chunked ? State::kSizeLine : State::kLength;
        handler.on_head(head);
        if (!head.chunked && left_ == 0) {
          state_ = State::kHead;
          handler.on_end();
        }
        break;
      }
      case State::kLength:
      case State::kData: {
        const size_t count = std::min<uint64_t>(left_, bytes.size());
        handler.on_body(std::span<const char>(bytes.data(), count));
        bytes.remove_prefix(count);
        left_ -= count;
        if (left_ > 0) break;
        const bool ended = state_ == State::kLength;
        state_ = ended ? State::kHead : State::kDataEnd;
        if (ended) handler.on_end();
        break;
      }
      case State::kSizeLine:
        if (!take_line(bytes)) return text_.size() < 1024;
        if (!begin_chunk()) return false;
        break;
      case State::kDataEnd:
        if (!take_line(bytes)) return true;
        if (text_ != "\r\n") return false;
        text_.clear();
        state_ = State::kSizeLine;
        break;
      case State::kTrailer:
        if (!take_line(bytes)) return text_.size() < 1024;
        if (text_ == "\r\n") {
          state_ = State::kHead;
          handler.on_end();
        }
        text_.clear();
        break;
    }
  }
  return true;
}

}  // namespace trickle::bench
