#include "io/machine.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace trickle {
namespace {

class ControlGroups : public ::testing::Test {
 protected:
  ControlGroups() {
    root_ = ::testing::TempDir() + "cgroups-" + std::to_string(::getpid());
    std::filesystem::remove_all(root_);
  }
  ~ControlGroups() override { std::filesystem::remove_all(root_); }
  void set(const std::string& file, const std::string& text) {
    const std::filesystem::path path = root_ + "/" + file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text << "\n";
  }
  std::string root_;
};

TEST_F(ControlGroups, NoLimitIsNone) {
  EXPECT_EQ(control_group_memory_bytes("0::/a/b\n", root_), UINT64_MAX);
  set("a/b/memory.max", "max");
  EXPECT_EQ(control_group_memory_bytes("0::/a/b\n", root_), UINT64_MAX);
  EXPECT_EQ(control_group_memory_bytes("", root_), UINT64_MAX);
  EXPECT_EQ(control_group_memory_bytes("nonsense\n0:\n::\n", root_), UINT64_MAX);
}

TEST_F(ControlGroups, TheSmallestLimitOnTheWayToTheRootHolds) {
  set("a/memory.max", "1000");
  set("a/b/memory.max", "2000");
  set("a/b/c/memory.max", "max");
  EXPECT_EQ(control_group_memory_bytes("0::/a/b/c\n", root_), 1000u);
  set("a/b/c/memory.max", "500");
  EXPECT_EQ(control_group_memory_bytes("0::/a/b/c\n", root_), 500u);
}

TEST_F(ControlGroups, TheOlderHierarchyIsKnownToo) {
  set("memory/box/memory.limit_in_bytes", "3000");
  EXPECT_EQ(control_group_memory_bytes("4:memory:/box\n2:cpu,cpuacct:/\n0::/\n", root_), 3000u);
  EXPECT_EQ(control_group_memory_bytes("4:pids,memory:/box\n", root_), 3000u);
}

TEST_F(ControlGroups, AContainerThatDoesNotSeeItsPathFindsItsLimitAtTheRoot) {
  set("memory.max", "4000");
  EXPECT_EQ(control_group_memory_bytes("0::/../outside\n", root_), 4000u);
}

TEST(Machine, HasMemory) {
  EXPECT_GT(usable_memory_bytes(), 1u << 20);
  EXPECT_LT(usable_memory_bytes(), UINT64_MAX);
}

TEST(Machine, HasTheCoresThatThisProcessMayUse) {
  cpu_set_t all;
  ASSERT_EQ(::sched_getaffinity(0, sizeof all, &all), 0);
  EXPECT_EQ(usable_cores(), static_cast<size_t>(CPU_COUNT(&all)));
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<size_t>(::sched_getcpu()), &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(usable_cores(), 1u);
  ASSERT_EQ(::sched_setaffinity(0, sizeof all, &all), 0);
}

TEST(Machine, RaisesTheDescriptorLimitToTheHardOne) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = std::min<rlim_t>(64, before.rlim_max);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  EXPECT_EQ(raise_descriptor_limit(), before.rlim_max);
  rlimit after{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, before.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace trickle
