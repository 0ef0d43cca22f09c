#include "cli/control_channel.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <vector>

#include "io/fd_io.h"
#include "io/unique_fd.h"

namespace trickle::cli {
namespace {

// Collects lines, and refuses those that begin with "bad".
class Lines {
 public:
  ControlHandler handler() {
    return [this](std::string_view line) -> Result<void> {
      const std::lock_guard lock(mutex_);
      lines_.emplace_back(line);
      changed_.notify_all();
      if (line.starts_with("bad")) return unexpected(ErrorKind::kUsage, "that is \"bad\"");
      return {};
    };
  }
  std::vector<std::string> wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return lines_.size() >= count; });
    return lines_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

void send_text(const UniqueFd& fd, std::string_view text) {
  ASSERT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

std::string receive_line(const UniqueFd& fd) {
  std::string line;
  char c = 0;
  while (::read(fd.get(), &c, 1) == 1 && c != '\n') line += c;
  return line;
}

struct Pair {
  UniqueFd ours, theirs;
};
Pair socket_pair() {
  int fds[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

std::unique_ptr<ControlChannel> start(const std::string& where, Lines& lines) {
  auto channel = ControlChannel::start(where, lines.handler());
  EXPECT_TRUE(channel) << channel.error().message();
  return channel ? *std::move(channel) : nullptr;
}

std::string fd_name(UniqueFd& fd) { return fmt::format("fd:{}", fd.release()); }

UniqueFd connect_to(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  return fd;
}

std::string fresh_path(const char* name) {
  const std::string path = ::testing::TempDir() + fmt::format("{}.{}", name, ::getpid());
  std::filesystem::remove(path);
  return path;
}

TEST(ControlChannel, ReadsLinesFromAPipeAlsoWhenTheyComeInPieces) {
  auto pipe = *make_pipe();
  Lines lines;
  const auto channel = start(fd_name(pipe.read_end), lines);
  send_text(pipe.write_end, "one\n\n  \ntw");
  EXPECT_EQ(lines.wait_for(1), std::vector<std::string>{"one"});
  send_text(pipe.write_end, "o\r\nlast");
  pipe.write_end.reset();
  EXPECT_EQ(lines.wait_for(3), (std::vector<std::string>{"one", "two", "last"}));
}

TEST(ControlChannel, AnswersEachLineOnASocket) {
  Pair pair = socket_pair();
  Lines lines;
  const auto channel = start(fd_name(pair.theirs), lines);
  send_text(pair.ours, "fine\nbad\nfine\n");
  EXPECT_EQ(receive_line(pair.ours), R"({"ok":true})");
  EXPECT_EQ(receive_line(pair.ours), R"({"ok":false,"error":"that is \"bad\""})");
  EXPECT_EQ(receive_line(pair.ours), R"({"ok":true})");
}

TEST(ControlChannel, ServesSeveralClientsAtAPath) {
  const std::string path = fresh_path("control");
  Lines lines;
  {
    const auto channel = start(path, lines);
    struct stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777u, 0600u);
    const UniqueFd first = connect_to(path);
    UniqueFd dead = connect_to(path);
    send_text(dead, "half a line, and gone");
    dead.reset();
    const UniqueFd second = connect_to(path);
    send_text(second, "b\n");
    EXPECT_EQ(receive_line(second), R"({"ok":true})");
    send_text(first, "a\n");
    EXPECT_EQ(receive_line(first), R"({"ok":true})");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(ControlChannel, CutsOffAClientThatReadsNoAnswers) {
  const std::string path = fresh_path("deaf");
  Lines lines;
  const auto channel = start(path, lines);
  const UniqueFd deaf = connect_to(path);
  std::string burst;
  for (int i = 0; i < 1000; ++i) burst += "bad\n";
  // Its answers fill the socket, then what is kept for it, and then the connection is closed.
  ssize_t sent = 1;
  while (sent > 0) sent = ::send(deaf.get(), burst.data(), burst.size(), MSG_NOSIGNAL);
  EXPECT_TRUE(errno == EPIPE || errno == ECONNRESET) << errno;
  const UniqueFd other = connect_to(path);
  send_text(other, "fine\n");
  EXPECT_EQ(receive_line(other), R"({"ok":true})");
}

TEST(ControlChannel, RefusesALineWithoutEnd) {
  Pair pair = socket_pair();
  Lines lines;
  const auto channel = start(fd_name(pair.theirs), lines);
  const std::string endless(3 << 20, 'x');
  send_text(pair.ours, endless);
  send_text(pair.ours, "\nfine\n");
  EXPECT_EQ(receive_line(pair.ours), R"({"ok":false,"error":"a control line is longer than 1048576 bytes"})");
  EXPECT_EQ(receive_line(pair.ours), R"({"ok":true})");
  EXPECT_EQ(lines.wait_for(1), std::vector<std::string>{"fine"});
}

TEST(ControlChannel, ReplacesADeadSocketButNotALivingOneNorAFile) {
  const std::string path = fresh_path("stale");
  {
    UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  Lines lines;
  {
    const auto channel = start(path, lines);
    const auto second = ControlChannel::start(path, lines.handler());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind(), ErrorKind::kUsage);
  }
  { const UniqueFd file(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)); }
  EXPECT_FALSE(ControlChannel::start(path, lines.handler()));
  EXPECT_TRUE(std::filesystem::exists(path));
  std::filesystem::remove(path);
}

TEST(ControlChannel, RefusesWhatIsNoDescriptor) {
  Lines lines;
  for (const char* where : {"fd:", "fd:x", "fd:-1", "fd:3x", "fd:987654", ""}) {
    const auto channel = ControlChannel::start(where, lines.handler());
    ASSERT_FALSE(channel) << where;
    EXPECT_EQ(channel.error().kind(), ErrorKind::kUsage);
  }
}

}  // namespace
}  // namespace trickle::cli
