#include "pipeline/child.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <fstream>
#include <set>

#include "io/fd_io.h"

namespace trickle::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::set<int> open_descriptors(pid_t pid) {
  std::set<int> numbers;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    numbers.insert(std::stoi(entry.path().filename()));
  }
  return numbers;
}

std::string status_field(pid_t pid, const std::string& name) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) return line.substr(name.size() + 2);
  }
  return "";
}

ChildSpec sleeper() {
  ChildSpec spec;
  spec.program = "/bin/sleep";
  spec.arguments = {"1000"};
  return spec;
}

TEST(Child, HoldsExactlyTheDescriptorsItWasGiven) {
  boost::asio::io_context io;
  const UniqueFd stray_below(
      ::open("/dev/null", O_RDONLY));  // Inheritable, as careless libraries leave them.
  Pipe given = *make_pipe();
  const UniqueFd stray_between(::open("/dev/null", O_RDONLY));
  UniqueFd given_too(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const UniqueFd stray_above(::open("/dev/null", O_RDONLY));
  Pipe to_child = *make_pipe();
  Pipe from_child = *make_pipe();
  ChildSpec spec;
  spec.program = "/bin/cat";
  spec.standard_input = std::move(to_child.read_end);
  spec.standard_output = std::move(from_child.write_end);
  const int first = given.read_end.get();
  const int second = given_too.get();
  spec.descriptors.push_back(std::move(given.read_end));
  spec.descriptors.push_back(std::move(given_too));

  const auto child = Child::start(io, std::move(spec), nullptr);

  ASSERT_TRUE(child);
  // Once it echoes, the loader has closed what it had opened itself.
  std::array<std::byte, 1> echo{};
  ASSERT_TRUE(write_full(to_child.write_end.get(), echo));
  ASSERT_EQ(read_full(from_child.read_end.get(), echo, {})->status, ReadStatus::kReady);
  EXPECT_THAT(open_descriptors((*child)->pid()), ElementsAre(0, 1, 2, first, second));
  EXPECT_EQ(::fcntl(first, F_GETFD), -1) << "our copy is closed";
}

TEST(Child, StartsWithDefaultSignalsInAGroupOfItsOwn) {
  boost::asio::io_context io;
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  sigset_t blocked, old;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &old);
  const auto child = Child::start(io, sleeper(), nullptr);
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  std::signal(SIGPIPE, before);

  ASSERT_TRUE(child);
  EXPECT_EQ(status_field((*child)->pid(), "SigIgn"), "0000000000000a00")
      << "all but SIGUSR1 and SIGUSR2, which are to do no harm before they are handled";
  EXPECT_EQ(status_field((*child)->pid(), "SigBlk"), "0000000000000000");
  EXPECT_EQ(::getpgid((*child)->pid()), (*child)->pid());
}

TEST(Child, TellsAnExitCodeFromASignal) {
  boost::asio::io_context io;
  std::vector<ChildExit> exits;
  for (const char* script : {"exit 5", "kill -9 $$"}) {
    ChildSpec spec;
    spec.program = "/bin/sh";
    spec.arguments = {"-c", script};
    const auto child = Child::start(io, std::move(spec), [&](ChildExit exit) { exits.push_back(exit); });
    ASSERT_TRUE(child);
    io.restart();
    io.run();
    EXPECT_TRUE((*child)->exit());
  }
  ASSERT_EQ(exits.size(), 2u);
  EXPECT_EQ(exits[0].to_string(), "exit code 5");
  EXPECT_EQ(exits[1].to_string(), "killed by signal 9 (Killed)");
}

TEST(Child, ThatIsLetGoOfIsKilledAndReaped) {
  boost::asio::io_context io;
  bool told = false;
  {
    auto child = *Child::start(io, sleeper(), [&](ChildExit) { told = true; });
  }
  io.run();
  EXPECT_FALSE(told);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "no child is left, running or not";
}

TEST(Child, IsHeldToItsLimits) {
  boost::asio::io_context io;
  ChildSpec spec;
  spec.program = "/bin/sh";
  Pipe from_child = *make_pipe();
  spec.arguments = {"-c", "nice; ulimit -d"};
  spec.standard_output = std::move(from_child.write_end);
  spec.limits = {.nice = 3, .memory_bytes = 64 << 20};
  const auto child = Child::start(io, std::move(spec), nullptr);
  ASSERT_TRUE(child);
  io.run();
  std::array<char, 64> text{};
  const ssize_t length = ::read(from_child.read_end.get(), text.data(), text.size());
  ASSERT_GT(length, 0);
  errno = 0;
  const int expected = std::min(19, ::getpriority(PRIO_PROCESS, 0) + 3);
  EXPECT_EQ(std::string(text.data(), static_cast<size_t>(length)), std::to_string(expected) + "\n65536\n");
}

TEST(Child, TellsWhetherItIsStoppedAndWhetherInputWaits) {
  boost::asio::io_context io;
  ChildSpec spec = sleeper();
  Pipe to_child = *make_pipe();
  spec.standard_input = std::move(to_child.read_end);
  const auto child = *Child::start(io, std::move(spec), nullptr);
  EXPECT_FALSE(child->stopped());
  EXPECT_FALSE(child->has_unread_input());
  ASSERT_EQ(::write(to_child.write_end.get(), "x", 1), 1);
  EXPECT_TRUE(child->has_unread_input());
  child->send_signal(SIGSTOP);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child->pid()), &info, WSTOPPED | WNOWAIT), 0);
  EXPECT_TRUE(child->stopped());
  child->send_signal(SIGCONT);
  EXPECT_FALSE(child->stopped());
}

TEST(Child, WithoutAProgramIsNotFoundAndLeavesNoZombie) {
  boost::asio::io_context io;
  ChildSpec spec;
  spec.program = "/nowhere/trickle-sub";
  const auto child = Child::start(io, std::move(spec), nullptr);
  ASSERT_FALSE(child);
  EXPECT_EQ(child.error().kind(), ErrorKind::kNotFound);
  EXPECT_THAT(child.error().message(), HasSubstr("/nowhere/trickle-sub"));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

TEST(Child, DiesWithAParentThatIsKilled) {
  Pipe report = *make_pipe();
  const pid_t parent = ::fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    boost::asio::io_context io;
    const auto child = Child::start(io, sleeper(), nullptr);
    const pid_t pid = child ? (*child)->pid() : -1;
    if (::write(report.write_end.get(), &pid, sizeof pid) != sizeof pid) ::_exit(1);
    ::pause();
    ::_exit(0);
  }
  pid_t grandchild = -1;
  ASSERT_EQ(::read(report.read_end.get(), &grandchild, sizeof grandchild), ssize_t{sizeof grandchild});
  ASSERT_GT(grandchild, 0);
  const UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, grandchild, 0)));
  ASSERT_TRUE(handle);
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  pollfd entry{handle.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&entry, 1, 20'000), 1) << "the grandchild must end by itself";
}

TEST(ChildEnvironment, LeavesOutWhatConfiguresOurToolsAndAddsWhatIsGiven) {
  ::setenv("TRICKLE_SUBSCRIBE_URL", "http://other", 1);
  ::setenv("SOMETHING_ELSE", "kept", 1);
  const auto environment = child_environment({{"TRICKLE_PUBLISH_URL", "http://this"}});
  ::unsetenv("TRICKLE_SUBSCRIBE_URL");
  EXPECT_THAT(environment, ::testing::Contains("SOMETHING_ELSE=kept"));
  EXPECT_THAT(environment, ::testing::Contains("TRICKLE_PUBLISH_URL=http://this"));
  EXPECT_THAT(environment, ::testing::Not(::testing::Contains("TRICKLE_SUBSCRIBE_URL=http://other")));
}

TEST(FindProgram, LooksOnlyInTheDirectoryThatIsGiven) {
  EXPECT_EQ(find_program("sh", "/bin")->string(), "/bin/sh");
  EXPECT_EQ(find_program("sh", "/nowhere").error().kind(), ErrorKind::kNotFound);
  EXPECT_TRUE(find_program("sh", "")) << "found in PATH";
}

}  // namespace
}  // namespace trickle::pipeline
