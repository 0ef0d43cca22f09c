// Drives a fuzz target without a fuzzing compiler: the corpus as it is, then random changes of it for a
// while. Usage: FUZZER CORPUS-FOLDER [SECONDS [SEED]]. The seed is printed, and the input in hand when the
// target dies is left in the file that the last line names; "FUZZER FILE 0" runs a single input again.
//
// With -DTRICKLE_LIBFUZZER=ON (clang) libFuzzer takes this file's place.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "base/log.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
// The sanitizers call this, where they are linked, before they end the process.
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace {

using Input = std::vector<uint8_t>;
constexpr size_t kLargestInput = 1 << 16;

Input current;

void save_current() {
  const auto path = std::filesystem::temp_directory_path() / ("fuzz-crash-" + std::to_string(::getpid()));
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(current.data()), static_cast<std::streamsize>(current.size()));
  std::cerr << "the input that did it is in " << path.string() << '\n';
}

extern "C" void on_crash(int signal) {
  save_current();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

std::vector<Input> load(const std::filesystem::path& path) {
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(path)) {
    for (const auto& entry : std::filesystem::directory_iterator(path)) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
  } else {
    files.push_back(path);
  }
  std::vector<Input> corpus;
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return corpus;
}

class Mutator {
 public:
  Mutator(const std::vector<Input>& corpus, uint64_t seed) : corpus_(corpus), random_(seed) {}

  Input next() {
    Input input = corpus_.empty() ? Input{} : corpus_[below(corpus_.size())];
    for (size_t changes = 1 + below(8); changes > 0; --changes) change(input);
    if (input.size() > kLargestInput) input.resize(kLargestInput);
    return input;
  }

 private:
  size_t below(size_t limit) { return limit == 0 ? 0 : random_() % limit; }
  uint8_t byte() { return static_cast<uint8_t>(random_()); }

  void change(Input& input) {
    const size_t at = below(input.size() + 1);
    const size_t rest = input.size() - at;
    const auto from = input.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(7)) {
      case 0:  // Flip a bit.
        if (rest > 0) *from ^= static_cast<uint8_t>(1U << below(8));
        break;
      case 1:  // A boundary value.
        if (rest > 0) *from = std::array<uint8_t, 6>{0, 1, 0x7f, 0x80, 0xfe, 0xff}[below(6)];
        break;
      case 2:  // A random byte.
        if (rest > 0) *from = byte();
        break;
      case 3:  // Cut a piece out.
        input.erase(from, from + static_cast<std::ptrdiff_t>(below(std::min<size_t>(rest, 512) + 1)));
        break;
      case 4: {  // Insert noise.
        Input noise(below(64));
        std::generate(noise.begin(), noise.end(), [this] { return byte(); });
        input.insert(from, noise.begin(), noise.end());
        break;
      }
      case 5: {  // Splice a piece of another input in.
        if (corpus_.empty()) break;
        const Input& other = corpus_[below(corpus_.size())];
        const size_t begin = below(other.size());
        const size_t length = below(std::min<size_t>(other.size() - begin, 1024) + 1);
        const auto first = other.begin() + static_cast<std::ptrdiff_t>(begin);
        input.insert(from, first, first + static_cast<std::ptrdiff_t>(length));
        break;
      }
      default:  // Cut the end off.
        input.resize(at);
    }
  }

  const std::vector<Input>& corpus_;
  std::mt19937_64 random_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: " << argv[0] << " CORPUS [SECONDS [SEED]]\n";
    return 2;
  }
  const std::vector<Input> corpus = load(argv[1]);
  const auto seconds = std::chrono::seconds(argc > 2 ? std::atoi(argv[2]) : 3);
  const uint64_t seed = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : std::random_device()();
  std::cerr << corpus.size() << " inputs, seed " << seed << '\n';
  // What a target logs would be millions of lines.
  if (!trickle::log::configure(argv[0], "off", trickle::log::Format::kText)) return 2;
  for (const int signal : {SIGSEGV, SIGABRT, SIGFPE, SIGBUS, SIGILL}) std::signal(signal, on_crash);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(save_current);

  for (const Input& input : corpus) {
    current = input;
    LLVMFuzzerTestOneInput(current.data(), current.size());
  }
  Mutator mutator(corpus, seed);
  uint64_t runs = 0;
  const auto end = std::chrono::steady_clock::now() + seconds;
  for (; std::chrono::steady_clock::now() < end; ++runs) {
    current = mutator.next();
    LLVMFuzzerTestOneInput(current.data(), current.size());
  }
  std::cerr << runs << " changed inputs, no failure\n";
  return 0;
}
