#pragma once

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "trickle/publisher_state.h"

namespace trickle {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = PublisherState::Control::Kind;
using Room = PublisherState::Room;

constexpr size_t kNotYet = static_cast<size_t>(-1);
inline const Error kBroken(ErrorKind::kNetwork, "connection reset");

// What a publisher does, by its state and a clock that the test turns; fixture of the files that test it.
class PublisherRules : public ::testing::Test {
 protected:
  PublisherState make(const PublisherOptions& options = {}) {
    return {options, "http://host/channel", clock_};
  }

  // Through create and next, as a server with `next` segments answers.
  PublisherState running(const PublisherOptions& options = {}, int64_t next = 0) {
    PublisherState state = make(options);
    EXPECT_EQ(state.control()->kind, Kind::kCreate);
    state.on_control_answer({.status = 200}, "");
    if (!options.start) {
      EXPECT_EQ(state.control()->kind, Kind::kNext);
      state.on_control_answer({.status = 200, .latest = next}, std::to_string(next) + "\n");
    }
    EXPECT_FALSE(state.control());
    return state;
  }
  static void write(PublisherState& state, size_t bytes) {
    const std::vector<std::byte> data(bytes, std::byte{7});
    state.append(data);
  }
  static void open_posts(PublisherState& state) { [[maybe_unused]] const auto posts = state.posts(); }
  // Sends all that a segment has; true when its body has ended.
  static bool send_all(PublisherState& state, uint64_t id) {
    std::array<std::byte, 1000> buffer{};
    while (true) {
      const size_t size = state.read(id, buffer);
      if (size == 0 || size == kNotYet) return size == 0;
    }
  }
  static void publish(PublisherState& state, size_t bytes) {
    state.begin_segment();
    write(state, bytes);
    state.end_segment();
  }
  FakeClock clock_;
};

}  // namespace trickle
