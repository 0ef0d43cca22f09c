// Passes a channel on and keeps a copy of its bytes, decoding nothing: recorder SUBSCRIBE_URL PUBLISH_URL
// FILE
#include <trickle/trickle.h>

#include <cstdio>
#include <fstream>

namespace {

using trickle::Result;
using Kind = trickle::SubscriberPiece::Kind;

Result<void> record(const char* from, const char* to, const char* path) {
  std::ofstream file(path, std::ios::binary);
  auto subscriber = trickle::Subscriber::open({.url = from, .wait_for_channel = std::chrono::seconds(10)});
  if (!subscriber) return trickle::unexpected(subscriber.error());
  auto publisher = trickle::Publisher::open({.url = to});
  if (!publisher) return trickle::unexpected(publisher.error());
  while (true) {
    const auto piece = (*subscriber)->read();
    if (!piece) return trickle::unexpected(piece.error());
    if (piece->kind == Kind::kEndOfStream) break;
    if (piece->kind == Kind::kBytes) {
      file.write(reinterpret_cast<const char*>(piece->bytes.data()),
                 static_cast<std::streamsize>(piece->bytes.size()));
      if (auto written = (*publisher)->write(piece->bytes); !written) return written;
    } else if (auto ended = (*publisher)->end_segment(); !ended) {
      return ended;
    }
  }
  if (!file.flush())
    return trickle::unexpected(trickle::ErrorKind::kIo, "the recording could not be written");
  return (*publisher)->finish();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const auto result = record(argv[1], argv[2], argv[3]);
  if (!result) std::fprintf(stderr, "%s\n", result.error().to_string().c_str());
  return result ? 0 : 1;
}
