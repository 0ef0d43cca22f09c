#include "bench/process.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "bench/spawn.h"
#include "io/fd_io.h"
#include "io/unique_fd.h"

namespace trickle::bench {
namespace {

TEST(Process, FindsWhoListensOnAPortAndThePortOfAProcess) {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(fd.get(), 1), 0);
  ASSERT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const uint16_t port = ntohs(address.sin_port);

  const auto pid = process_listening_on(port);
  ASSERT_TRUE(pid);
  EXPECT_EQ(*pid, ::getpid());
  const auto found = port_of(::getpid());
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, port);
}

TEST(Process, TellsWhatAProcessCosts) {
  const auto before = cpu_time(::getpid());
  ASSERT_TRUE(before);
  volatile uint64_t sum = 0;
  for (uint64_t i = 0; i < 20'000'000; ++i) sum = sum + i;
  EXPECT_GT(*cpu_time(::getpid()), *before);
  const auto memory = memory_of(::getpid());
  ASSERT_TRUE(memory);
  EXPECT_GT(memory->pss_bytes, 0u);
  EXPECT_LE(memory->pss_bytes, memory->rss_bytes);
}

TEST(Process, CountsTheDescendantsOfAProcessToo) {
  auto input = make_pipe();
  auto output = make_pipe();
  ASSERT_TRUE(input && output);
  auto shell = Program::start({"sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done; cat; :"},
                              {input->read_end.get(), output->write_end.get(), -1});
  ASSERT_TRUE(shell);
  // What comes back has gone through the shell's child: now both are there and wait.
  char byte = 'x';
  ASSERT_EQ(::write(input->write_end.get(), &byte, 1), 1);
  ASSERT_EQ(::read(output->read_end.get(), &byte, 1), 1);
  const auto own = memory_of(shell->pid());
  ASSERT_TRUE(own);
  EXPECT_GT(memory_of_tree(shell->pid()).rss_bytes, own->rss_bytes);
  EXPECT_GT(cpu_time_of_tree(shell->pid()).count(), 0);
  input->write_end.reset();
  EXPECT_TRUE(shell->wait().well);
}

TEST(Process, SaysThatAProcessThatHasEndedIsNotThere) {
  auto child = Program::start({"true"});
  ASSERT_TRUE(child);
  const pid_t pid = child->pid();
  EXPECT_TRUE(child->wait().well);
  EXPECT_FALSE(cpu_time(pid));
  EXPECT_FALSE(memory_of(pid));
  EXPECT_FALSE(port_of(pid));
}

TEST(Program, IsKilledWithItsOwner) {
  pid_t pid = -1;
  {
    auto child = Program::start({"sleep", "1000"});
    ASSERT_TRUE(child);
    pid = child->pid();
    EXPECT_EQ(::kill(pid, 0), 0);
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST(Program, FailsToStartAProgramThatIsNotThere) { EXPECT_FALSE(Program::start({"/nowhere/program"})); }

}  // namespace
}  // namespace trickle::bench
