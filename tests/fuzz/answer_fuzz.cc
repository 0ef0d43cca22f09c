// Answers as a server of any kind may give them: their headers are read, and whatever they say, a subscriber
// passes nothing on twice, and a publisher uses no number twice and accounts for each byte.
//
// The input is lines as curl gives them, an empty one at the end of each head; the first byte says what comes
// between the answers.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "http/response_head.h"
#include "trickle/answer.h"
#include "trickle/publisher_state.h"
#include "trickle/subscriber_state.h"

namespace {

using namespace trickle;
using Verdict = SubscriberState::Verdict;

const Error kBroken(ErrorKind::kNetwork, "broken");

void require(bool condition) {
  if (!condition) std::abort();
}

std::vector<Answer> read_answers(std::string_view input) {
  std::vector<Answer> answers;
  http::ResponseHeadReader reader;
  while (!input.empty()) {
    const size_t end = std::min(input.find('\n'), input.size() - 1) + 1;
    reader.add_line(input.substr(0, end));
    input.remove_prefix(end);
    if (reader.head() == nullptr) continue;
    require(reader.head()->status >= 200 && reader.head()->status <= 999);
    for (const auto& [name, value] : reader.head()->headers) {
      require(name.find_first_of(":\n") == std::string::npos && value.find('\n') == std::string::npos);
    }
    answers.push_back(read_answer(*reader.head()));
    require(answers.back().seq.value_or(0) >= 0 && answers.back().latest.value_or(0) >= 0);
    reader = {};
  }
  return answers;
}

class Subscribing {
 public:
  Subscribing(std::string start, uint8_t choices)
      : choices_(choices), state_(*SubscriberState::make({.start = std::move(start)}, "url", clock_)) {}

  void answer(const Answer& answer) {
    const auto wanted = state_.asked_number();
    const bool resuming = state_.in_segment();
    const uint64_t skip = state_.skip_bytes();
    const int64_t segment = state_.segment();
    Verdict verdict = state_.on_answer(answer);
    if (verdict == Verdict::kRead) {
      require(state_.segment() >= 0 && state_.in_segment());
      require(!wanted || state_.segment() >= *wanted);
      if (resuming) require(state_.segment() == segment && state_.skip_bytes() == skip);
      verdict = read_body();
    }
    over_ = verdict == Verdict::kEnd || verdict == Verdict::kFail;
    clock_.advance(std::chrono::seconds(1));
  }
  [[nodiscard]] bool over() const { return over_; }

 private:
  Verdict read_body() {
    choices_ = static_cast<uint8_t>(choices_ * 5 + 1);
    if ((choices_ & 3) == 0) return state_.on_changed();
    state_.on_delivered(choices_ >> 4);
    if ((choices_ & 3) == 1) return state_.on_failure(kBroken, true);
    return state_.on_complete(state_.skip_bytes());
  }

  uint8_t choices_;
  FakeClock clock_;
  SubscriberState state_;
  bool over_ = false;
};

class Publishing {
 public:
  explicit Publishing(uint8_t choices)
      : choices_(choices), state_({.on_lag = OnLag::kDrop, .buffer_bytes = 500}, "url", clock_) {}

  void answer(const Answer& answer) {
    choices_ = static_cast<uint8_t>(choices_ * 5 + 1);
    write();
    state_.tick();
    if (state_.control()) {
      state_.on_control_answer(answer, "7\n");
    } else {
      answer_post(answer);
    }
    check();
    clock_.advance(std::chrono::milliseconds(300));
  }
  [[nodiscard]] bool over() const { return state_.finished(); }

 private:
  void write() {
    if (state_.room_for_segment() == PublisherState::Room::kYes) state_.begin_segment();
    const std::array<std::byte, 100> bytes{};
    if (state_.room_for_bytes(bytes.size()) == PublisherState::Room::kYes) state_.append(bytes);
    if ((choices_ & 1) != 0) state_.end_segment();
  }
  void answer_post(const Answer& answer) {
    const auto posts = state_.posts();
    for (const auto& post : posts) {
      require(owner_of_.emplace(post.number, post.id).first->second == post.id);
      std::array<std::byte, 64> buffer{};
      if ((choices_ & 2) != 0) state_.read(post.id, buffer);
    }
    if (posts.empty()) return;
    const auto& post = posts[choices_ % posts.size()];
    if ((choices_ & 12) == 0) return state_.on_post_failure(post.id, kBroken, true);
    state_.on_post_answer(post.id, answer);
  }
  void check() const {
    const PublisherTotals totals = state_.totals();
    require(totals.acknowledged_bytes + totals.lost_bytes <= totals.accepted_bytes);
    if (state_.finished() || state_.in_flight() == 0)
      require(totals.acknowledged_bytes + totals.lost_bytes == totals.accepted_bytes);
    require(state_.buffered_bytes() <= 500 || state_.error());
  }

  uint8_t choices_;
  FakeClock clock_;
  PublisherState state_;
  std::map<int64_t, PublisherState::SegmentId> owner_of_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const auto answers = read_answers({reinterpret_cast<const char*>(data) + 1, size - 1});
  Subscribing current("current", data[0]);
  Subscribing numbered("7", data[0]);
  Publishing publishing(data[0]);
  for (const Answer& answer : answers) {
    if (!current.over()) current.answer(answer);
    if (!numbered.over()) numbered.answer(answer);
    if (!publishing.over()) publishing.answer(answer);
  }
  return 0;
}
