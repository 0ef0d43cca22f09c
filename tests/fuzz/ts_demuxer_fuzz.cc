// The way from bytes to pictures for anything that begins like a transport stream: demuxer, splitter,
// decoders, time line. Counted and survived, never crashed.
#include <sys/mman.h>
#include <unistd.h>

#include "codec/open.h"
#include "io/unique_fd.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const trickle::UniqueFd fd(::memfd_create("fuzz", MFD_CLOEXEC));
  if (::write(fd.get(), data, size) != static_cast<ssize_t>(size)) return 0;
  ::lseek(fd.get(), 0, SEEK_SET);
  trickle::Counters counters;
  const trickle::StopSource stop;
  trickle::DecodeOptions options;
  options.threads = 1;
  auto input = trickle::open_input(fd.get(), options, counters, stop.token());
  if (!input || !input->source) return 0;
  int64_t last = -1;
  while (true) {
    auto item = input->source->read();
    if (!item || !*item) return 0;
    if (const auto* video = std::get_if<trickle::VideoItem>(&**item)) {
      if (video->frame.timestamp.ticks <= last) __builtin_trap();  // Times rise, whatever comes in.
      last = video->frame.timestamp.ticks;
    }
  }
}
