// Shared memory between two ends of a pipe: slots, leases, descriptors, and what a hostile peer may try.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>
#include <thread>
#include <vector>

#include "io/fd_io.h"
#include "media/shm_descriptor.h"
#include "media/shm_link.h"
#include "media/shm_pool.h"
#include "media/shm_region.h"

namespace trickle {
namespace {

constexpr int kWidth = 66;
constexpr int kHeight = 50;

VideoFrame slot(FrameMemory& memory, uint8_t value = 7) {
  VideoFrame frame = make_padded_frame(memory, PixelFormat::kYuv420p, kWidth, kHeight);
  std::memset(frame.planes[0].data, value, static_cast<size_t>(frame.planes[0].stride_bytes) * kHeight);
  return frame;
}

TEST(SharedRegion, CanNeitherShrinkNorGrow) {
  const auto region = SharedRegion::create(8192);
  ASSERT_TRUE(region);
  const UniqueFd fd(::open(("/proc/self/fd/" + std::to_string((*region)->name().fd)).c_str(), O_RDWR));
  EXPECT_NE(::ftruncate(fd.get(), 4096), 0);
  EXPECT_NE(::ftruncate(fd.get(), 16384), 0);
  EXPECT_NE(::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE), 0) << "the seals themselves are sealed";
}

TEST(SharedRegion, IsSeenByWhoeverOpensItAndFoundByAnyAddressInIt) {
  const auto made = *SharedRegion::create(8192);
  const auto opened = SharedRegion::open(::getpid(), made->name());
  ASSERT_TRUE(opened);
  made->data()[5000] = 42;
  EXPECT_EQ((*opened)->data()[5000], 42);
  EXPECT_EQ(SharedRegion::find(made->data() + 8191, 1), made);
  EXPECT_EQ(SharedRegion::find((*opened)->data(), 8192), *opened);
  EXPECT_EQ(SharedRegion::find(made->data() + 1, 8192), nullptr);
  int elsewhere = 0;
  EXPECT_EQ(SharedRegion::find(&elsewhere, 1), nullptr);
}

TEST(SharedRegion, OpensNothingButWhatWasOffered) {
  const auto made = *SharedRegion::create(4096);
  RegionName name = made->name();
  name.inode += 1;
  EXPECT_FALSE(SharedRegion::open(::getpid(), name)) << "another file";
  name = made->name();
  name.size_bytes = 8192;
  EXPECT_FALSE(SharedRegion::open(::getpid(), name)) << "larger than it is";
  name.size_bytes = 0;
  EXPECT_FALSE(SharedRegion::open(::getpid(), name));
  name = made->name();
  name.fd = 9999;
  EXPECT_FALSE(SharedRegion::open(::getpid(), name)) << "no such descriptor";

  // A memfd that could shrink under its reader.
  const UniqueFd loose(::memfd_create("loose", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(loose.get(), 4096), 0);
  struct stat status {};
  ASSERT_EQ(::fstat(loose.get(), &status), 0);
  EXPECT_FALSE(SharedRegion::open(::getpid(), {loose.get(), status.st_ino, 4096}));
  // A plain file.
  const UniqueFd file(::open("/proc/self/exe", O_RDONLY));
  ASSERT_EQ(::fstat(file.get(), &status), 0);
  EXPECT_FALSE(SharedRegion::open(::getpid(), {file.get(), status.st_ino, 4096}));
}

TEST(SharedMemory, SlotsAreUsedAgainLastInFirstOut) {
  const auto memory = make_shared_memory();
  std::shared_ptr<uint8_t> one = memory->take(1000);
  std::shared_ptr<uint8_t> two = memory->take(1000);
  ASSERT_TRUE(one && two);
  EXPECT_NE(one, two);
  uint8_t* const last = two.get();
  one.reset();
  two.reset();
  EXPECT_EQ(memory->take(900).get(), last);
  std::vector<std::shared_ptr<uint8_t>> many(30);
  for (auto& piece : many) {
    piece = memory->take(1000);
    EXPECT_TRUE(SharedRegion::find(piece.get(), 1000));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(piece.get()) % 64, 0U);
  }
}

TEST(SharedMemory, LargerRequestsReplaceTheSlotsAndOldOnesStayValid) {
  const auto memory = make_shared_memory();
  const auto small = memory->take(1000);
  const auto large = memory->take(100'000);
  std::memset(small.get(), 1, 1000);
  std::memset(large.get(), 2, 100'000);
  EXPECT_EQ(small.get()[999], 1);
  EXPECT_TRUE(SharedRegion::find(large.get(), 100'000));
}

class Link : public ::testing::Test {
 protected:
  Link() : pipe_(*make_pipe()), writer_(*LinkWriter::create(pipe_.write_end.get())) {}
  void attach() {
    auto reader = LinkReader::attach(writer_->offer(), pipe_.read_end.get());
    ASSERT_TRUE(reader) << reader.error().to_string();
    reader_ = *std::move(reader);
  }
  VideoFrame pass(VideoFrame frame) {
    auto descriptor = writer_->lease(std::move(frame));
    EXPECT_TRUE(descriptor);
    auto got = reader_->open(*descriptor);
    EXPECT_TRUE(got) << got.error().to_string();
    return *std::move(got);
  }

  Pipe pipe_;
  std::unique_ptr<LinkWriter> writer_;
  std::unique_ptr<LinkReader> reader_;
  std::shared_ptr<FrameMemory> memory_ = make_shared_memory();
};

TEST_F(Link, TheOfferIsTakenByTheReaderOfTheVeryPipeAndByNobodyElse) {
  EXPECT_FALSE(writer_->taken());
  const Pipe other = *make_pipe();
  EXPECT_FALSE(LinkReader::attach(writer_->offer(), other.read_end.get()));
  const UniqueFd file(::open("/proc/self/exe", O_RDONLY));
  EXPECT_FALSE(LinkReader::attach(writer_->offer(), file.get()));
  for (const char* broken : {"", ":::::", "1:2:3:4:5", "1:2:3:4:5:6:7", "a:b:c:d:e:f", "-1:1:1:1:1:1",
                             "99999999999999999999999:1:1:1:1:1"}) {
    EXPECT_FALSE(LinkReader::attach(broken, pipe_.read_end.get())) << broken;
  }
  EXPECT_FALSE(writer_->taken());
  attach();
  EXPECT_TRUE(writer_->taken());
}

TEST_F(Link, OffersNothingWhereThereIsNoPipe) {
  const UniqueFd file(::open("/dev/null", O_WRONLY));
  EXPECT_FALSE(LinkWriter::create(file.get()));
}

TEST_F(Link, PixelsArriveWithoutACopyAndComeBackWhenReleased) {
  attach();
  VideoFrame sent = slot(*memory_, 99);
  uint8_t* const place = sent.planes[0].data;
  {
    const VideoFrame got = pass(std::move(sent));
    EXPECT_EQ(got.width, kWidth);
    EXPECT_EQ(got.format, PixelFormat::kYuv420p);
    EXPECT_EQ(got.planes[0].data[0], 99);
    EXPECT_TRUE(got.writable());
    got.planes[0].data[1] = 5;
    EXPECT_EQ(place[1], 5) << "the same memory, mapped twice";
    EXPECT_NE(slot(*memory_).planes[0].data, place) << "held by the reader";
  }
  // The writer notices at its next frame.
  const VideoFrame next = pass(slot(*memory_));
  EXPECT_EQ(slot(*memory_).planes[0].data, place);
}

TEST_F(Link, AFrameThatSomebodyElseRefersToIsReadOnly) {
  attach();
  const VideoFrame reference = slot(*memory_);
  EXPECT_FALSE(pass(reference).writable());
  VideoFrame decoders = slot(*memory_);
  decoders.exclusive = false;
  EXPECT_FALSE(pass(std::move(decoders)).writable());
}

TEST_F(Link, AFramePassesThroughSeveralProcessesAndGoesBackLinkByLink) {
  attach();
  const Pipe second_pipe = *make_pipe();
  const auto second_writer = *LinkWriter::create(second_pipe.write_end.get());
  const auto second_reader = *LinkReader::attach(second_writer->offer(), second_pipe.read_end.get());
  VideoFrame sent = slot(*memory_, 3);
  uint8_t* const place = sent.planes[0].data;
  auto descriptor = second_writer->lease(pass(std::move(sent)));
  ASSERT_TRUE(descriptor);
  {
    const auto got = second_reader->open(*descriptor);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->planes[0].data[0], 3);
    EXPECT_TRUE(got->writable());
  }
  EXPECT_TRUE(second_reader->open(*second_writer->lease(pass(slot(*memory_)))));
  EXPECT_TRUE(reader_->open(*writer_->lease(slot(*memory_))));
  std::vector<VideoFrame> taken;
  bool back = false;
  for (int i = 0; i < 8 && !back; ++i) {
    taken.push_back(slot(*memory_));
    back = taken.back().planes[0].data == place;
  }
  EXPECT_TRUE(back);
}

TEST_F(Link, AWriterWaitsUntilTheReaderHasLookedAndNeverOverwrites) {
  attach();
  std::vector<SlotDescriptor> descriptors(8);
  std::atomic<int> written{0};
  std::thread writer([&] {
    for (uint8_t i = 0; i < 8; ++i) {
      const auto descriptor = writer_->lease(slot(*memory_, i));
      ASSERT_TRUE(descriptor);
      descriptors[i] = *descriptor;
      ++written;
      const std::byte byte{i};
      ASSERT_TRUE(write_full(pipe_.write_end.get(), std::span(&byte, 1)));
    }
  });
  std::vector<VideoFrame> held;
  for (uint8_t i = 0; i < 8; ++i) {
    std::byte byte{};
    ASSERT_TRUE(read_full(pipe_.read_end.get(), std::span(&byte, 1), {}));
    EXPECT_LE(written.load(), i + static_cast<int>(kMostUnread) + 1);
    held.push_back(*reader_->open(descriptors[i]));
  }
  writer.join();
  for (uint8_t i = 0; i < 8; ++i) EXPECT_EQ(held[i].planes[0].data[0], i);
}

TEST_F(Link, AReaderMayHoldMoreFramesThanThereAreLeases) {
  attach();
  std::vector<VideoFrame> held;
  for (size_t i = 0; i < 3 * kMostLeases; ++i) {
    held.push_back(pass(slot(*memory_, static_cast<uint8_t>(i))));
  }
  for (size_t i = 0; i < held.size(); ++i) EXPECT_EQ(held[i].planes[0].data[0], i);
}

TEST_F(Link, AWriterThatWaitsSeesItsReaderGo) {
  attach();
  for (size_t i = 0; i < kMostUnread; ++i) ASSERT_TRUE(writer_->lease(slot(*memory_)));
  std::thread killer([&] { pipe_.read_end.reset(); });
  const auto more = writer_->lease(slot(*memory_));
  killer.join();
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().kind(), ErrorKind::kClosed);
  writer_->finish();  // Does not wait for somebody who is gone.
}

TEST_F(Link, TheEndIsToldFromADeath) {
  attach();
  EXPECT_FALSE(reader_->ended_well());
  writer_->finish();
  EXPECT_TRUE(reader_->ended_well());
}

TEST_F(Link, FramesOutliveTheReaderAndTheWriter) {
  attach();
  VideoFrame got = pass(slot(*memory_, 11));
  reader_.reset();
  writer_.reset();
  pipe_ = *make_pipe();
  memory_.reset();
  EXPECT_EQ(got.planes[0].data[kWidth], 11);
  got = {};
}

TEST_F(Link, ALeaseIsOpenedOnceAndOnlyWhenItWasSent) {
  attach();
  SlotDescriptor descriptor = *writer_->lease(slot(*memory_));
  const auto first = reader_->open(descriptor);
  ASSERT_TRUE(first);
  EXPECT_FALSE(reader_->open(descriptor));
  descriptor.lease = 5;
  EXPECT_FALSE(reader_->open(descriptor));
  descriptor.lease = kMostLeases;
  EXPECT_FALSE(reader_->open(descriptor));
}

TEST(SlotDescriptor, IsReadBackAsItWasWritten) {
  const auto memory = make_shared_memory();
  const VideoFrame frame = slot(*memory);
  const auto region = SharedRegion::find(frame.planes[0].data, 1);
  const auto made = describe_slot(frame, *region);
  ASSERT_TRUE(made);
  const auto bytes = pack(*made);
  const auto read = parse_descriptor(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->region.inode, region->name().inode);
  EXPECT_EQ(read->width, kWidth);
  EXPECT_EQ(frame_in(*region, *read).planes[2].data, frame.planes[2].data);
  EXPECT_FALSE(parse_descriptor(std::span(bytes).first(100)));
}

TEST(SlotDescriptor, EveryLieIsRefused) {
  const auto memory = make_shared_memory();
  const VideoFrame frame = slot(*memory);
  const auto region = SharedRegion::find(frame.planes[0].data, 1);
  const SlotDescriptor good = *describe_slot(frame, *region);
  const auto refused = [](SlotDescriptor descriptor) { return !parse_descriptor(pack(descriptor)); };
  const auto with = [&](auto change) {
    SlotDescriptor descriptor = good;
    change(descriptor);
    return refused(descriptor);
  };
  EXPECT_FALSE(refused(good));
  EXPECT_TRUE(with([](auto& d) { d.width = 0; }));
  EXPECT_TRUE(with([](auto& d) { d.width = -5; }));
  EXPECT_TRUE(with([](auto& d) { d.height = 16385; }));
  EXPECT_TRUE(with([](auto& d) { d.width = 16384; }));
  EXPECT_TRUE(with([](auto& d) { d.format = PixelFormat::kNone; }));
  EXPECT_TRUE(with([](auto& d) { d.format = static_cast<PixelFormat>(200); }));
  EXPECT_TRUE(with([](auto& d) { d.region.fd = -1; }));
  EXPECT_TRUE(with([](auto& d) { d.region.size_bytes = 100; }));
  EXPECT_TRUE(with([](auto& d) { d.planes[0].stride_bytes = kWidth - 1; }));
  EXPECT_TRUE(with([](auto& d) { d.planes[0].stride_bytes = ~uint64_t{0}; }));
  EXPECT_TRUE(with([](auto& d) { d.planes[1].stride_bytes = uint64_t{1} << 40; }));
  EXPECT_TRUE(with([](auto& d) { d.planes[2].offset = d.region.size_bytes; }));
  EXPECT_TRUE(with([](auto& d) { d.planes[2].offset = ~uint64_t{0} - 10; }));
  EXPECT_TRUE(with([](auto& d) { d.planes[2].offset = d.region.size_bytes - 10; }));
}

}  // namespace
}  // namespace trickle
