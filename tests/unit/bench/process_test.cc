#include "bench/process.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

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

TEST(Process, SaysThatAProcessThatHasEndedIsNotThere) {
  auto child = ChildProgram::start({"true"});
  ASSERT_TRUE(child);
  const pid_t pid = child->pid();
  EXPECT_EQ(child->wait(), 0);
  EXPECT_FALSE(cpu_time(pid));
  EXPECT_FALSE(memory_of(pid));
  EXPECT_FALSE(port_of(pid));
}

TEST(ChildProgram, IsKilledWithItsOwner) {
  pid_t pid = -1;
  {
    auto child = ChildProgram::start({"sleep", "1000"});
    ASSERT_TRUE(child);
    pid = child->pid();
    EXPECT_EQ(::kill(pid, 0), 0);
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST(ChildProgram, FailsToStartAProgramThatIsNotThere) {
  EXPECT_FALSE(ChildProgram::start({"/nowhere/program"}));
}

}  // namespace
}  // namespace trickle::bench
