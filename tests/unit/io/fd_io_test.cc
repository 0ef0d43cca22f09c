#include "io/fd_io.h"

#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <string>
#include <thread>

namespace trickle {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

class FdIo : public ::testing::Test {
 protected:
  void SetUp() override { std::signal(SIGPIPE, SIG_IGN); }
  Pipe pipe_ = *make_pipe();
  std::array<std::byte, 8> buffer_{};
};

TEST_F(FdIo, ReadFullTellsReadyFromEndAndFromCutShort) {
  ASSERT_TRUE(write_full(pipe_.write_end.get(), bytes_of("0123456789")));
  pipe_.write_end.reset();
  auto outcome = read_full(pipe_.read_end.get(), buffer_, {});
  EXPECT_EQ(outcome->status, ReadStatus::kReady);
  outcome = read_full(pipe_.read_end.get(), buffer_, {});
  EXPECT_EQ(outcome->status, ReadStatus::kCutShort);
  EXPECT_EQ(outcome->size_bytes, 2u);
  EXPECT_EQ(read_full(pipe_.read_end.get(), buffer_, {})->status, ReadStatus::kEnd);
}

TEST_F(FdIo, ARequestedStopEndsAWaitingRead) {
  const StopSource source;
  std::thread stopper([&] { source.request_stop(); });
  const auto outcome = read_some(pipe_.read_end.get(), buffer_, source.token());
  stopper.join();
  EXPECT_EQ(outcome->status, ReadStatus::kEnd);
}

TEST_F(FdIo, AReaderThatLeftIsClosedAndNotAFailure) {
  EXPECT_FALSE(reader_gone(pipe_.write_end.get()));
  pipe_.read_end.reset();
  EXPECT_TRUE(reader_gone(pipe_.write_end.get()));
  const auto written = write_full(pipe_.write_end.get(), bytes_of("x"));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind(), ErrorKind::kClosed);
}

TEST_F(FdIo, WritesMoreThanThePipeHoldsWhileAReaderReads) {
  const std::string sent(1 << 20, 'x');
  size_t received = 0;
  std::thread reader([&] {
    std::array<std::byte, 4096> chunk{};
    while (true) {
      const auto outcome = read_some(pipe_.read_end.get(), chunk, {});
      if (outcome->status == ReadStatus::kEnd) break;
      received += outcome->size_bytes;
    }
  });
  EXPECT_TRUE(write_full(pipe_.write_end.get(), bytes_of(sent)));
  pipe_.write_end.reset();
  reader.join();
  EXPECT_EQ(received, sent.size());
}

TEST_F(FdIo, ABadDescriptorIsAnIoError) {
  EXPECT_EQ(read_some(-1, buffer_, {}).error().kind(), ErrorKind::kIo);
  EXPECT_EQ(write_full(-1, bytes_of("x")).error().kind(), ErrorKind::kIo);
}

}  // namespace
}  // namespace trickle
