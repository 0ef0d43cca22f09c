#include "worker/channel_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace trickle::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ChannelMemoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/state.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::filesystem::path directory_;
};

TEST_F(ChannelMemoryTest, RemembersOverALifeWhatWasNotForgotten) {
  {
    auto memory = *ChannelMemory::open(directory_ / "new");
    EXPECT_THAT(memory->left_behind(), IsEmpty());
    memory->remember("http://h/out?token=secret");
    memory->remember("http://h/gone");
    memory->forget("http://h/gone");
    memory->remember("");
  }
  auto memory = *ChannelMemory::open(directory_ / "new");
  EXPECT_THAT(memory->left_behind(), ElementsAre("http://h/out?token=secret"));
  memory->forget("http://h/out?token=secret");
  memory.reset();
  EXPECT_THAT((*ChannelMemory::open(directory_ / "new"))->left_behind(), IsEmpty());
}

TEST_F(ChannelMemoryTest, KeepsAChannelUntilTheLastStreamThatUsesItHasEnded) {
  auto memory = *ChannelMemory::open(directory_);
  memory->remember("http://h/events");
  memory->remember("http://h/events");
  memory->forget("http://h/events");
  memory.reset();
  EXPECT_THAT((*ChannelMemory::open(directory_))->left_behind(), ElementsAre("http://h/events"));
}

TEST_F(ChannelMemoryTest, ShowsWhatItWritesToItsOwnerOnly) {
  const auto memory = *ChannelMemory::open(directory_);
  memory->remember("http://h/out?token=secret");
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    EXPECT_EQ(entry.status().permissions() & std::filesystem::perms(077), std::filesystem::perms::none)
        << entry.path();
  }
}

TEST_F(ChannelMemoryTest, BelongsToOneWorkerAtATime) {
  const auto first = ChannelMemory::open(directory_);
  ASSERT_TRUE(first);
  const auto second = ChannelMemory::open(directory_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind(), ErrorKind::kUsage);
  EXPECT_THAT(second.error().message(), HasSubstr("used by another worker"));
}

TEST_F(ChannelMemoryTest, LeavesFilesAloneThatItDidNotWrite) {
  std::ofstream(directory_ / "strange.channel") << "http://169.254.169.254/x\n";
  std::ofstream(directory_ / "empty.channel") << "";
  EXPECT_THAT((*ChannelMemory::open(directory_))->left_behind(), IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(directory_ / "strange.channel"));
}

TEST_F(ChannelMemoryTest, SaysWhyADirectoryIsNoUse) {
  std::ofstream(directory_ / "file") << "x";
  const auto memory = ChannelMemory::open(directory_ / "file" / "state");
  ASSERT_FALSE(memory);
  EXPECT_EQ(memory.error().kind(), ErrorKind::kIo);
}

}  // namespace
}  // namespace trickle::worker
