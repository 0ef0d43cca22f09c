// The NUT reader on anything: headers, packets, side data. No input may crash it, hang it, or make it ask for
// more memory than the input could fill.
#include <algorithm>
#include <cstring>

#include "media/nut_reader.h"

namespace {

class Bytes final : public trickle::NutBytes {
 public:
  explicit Bytes(std::span<const uint8_t> bytes) : rest_(bytes) {}
  trickle::Result<size_t> read(std::span<uint8_t> target) override {
    // In pieces, so that nothing depends on where reads end.
    const size_t count = std::min({target.size(), rest_.size(), size_t{997}});
    std::copy_n(rest_.begin(), count, target.begin());
    rest_ = rest_.subspan(count);
    return count;
  }

 private:
  std::span<const uint8_t> rest_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes bytes({data, size});
  trickle::NutReader reader(bytes);
  if (!reader.read_headers()) return 0;
  std::vector<uint8_t> target(1 << 16);
  while (true) {
    const auto packet = reader.next();
    if (!packet || !*packet) return 0;
    if ((*packet)->track >= reader.tracks().size()) __builtin_trap();
    if ((*packet)->data_bytes > target.size()) continue;
    const auto count = reader.read_data(std::span(target).first((*packet)->data_bytes));
    if (!count || *count > (*packet)->data_bytes) __builtin_trap();
  }
}
