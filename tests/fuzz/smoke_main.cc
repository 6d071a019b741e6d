// Runs a fuzz target without libFuzzer: every seed as it is, then N mutations that depend on nothing but their number.
//
//   TARGET [-runs=N] [-seed=S] [SEED_FILE_OR_FOLDER]...
//
// It finds no new paths; it shows in every build that a target links, that its seeds run and that nearby garbage is
// refused in an orderly way. An input that crashes the target is saved as crash-<target>.bin; give that file with
// -runs=0 to see the crash again. An exception that leaves the target counts as a crash.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "reference/core/splitmix.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<uint8_t>;

constexpr size_t kMaxBytes = size_t{1} << 20;

class Random {
 public:
  explicit Random(uint64_t seed) : numbers_(seed) {}
  uint64_t next() { return numbers_.next(); }
  /// Below n; 0 for n = 0.
  size_t below(size_t n) { return n == 0 ? 0 : static_cast<size_t>(next() % n); }

 private:
  glmv::SplitMix64 numbers_;
};

void insert_text(Bytes& input, Random& random) {
  static const char* const kTexts[] = {"\"",
                                       "{",
                                       "}",
                                       "[",
                                       "]",
                                       ",",
                                       ":",
                                       "null",
                                       "-1",
                                       "0",
                                       "1e999",
                                       "true",
                                       "18446744073709551616",
                                       "9223372036854775807",
                                       "2147483648",
                                       "\\u0000",
                                       "\xff"};
  const std::string text = kTexts[random.below(std::size(kTexts))];
  input.insert(input.begin() + static_cast<std::ptrdiff_t>(random.below(input.size() + 1)), text.begin(), text.end());
}

/// A little-endian number somewhere near the beginning, where formats keep their lengths.
void overwrite_length(Bytes& input, Random& random) {
  static const uint64_t kLengths[] = {0,          1,          7,         255,          65535,
                                      0x7fffffff, 0xffffffff, 100000001, ~uint64_t{0}, uint64_t{1} << 63};
  const uint64_t length =
      random.below(2) ? kLengths[random.below(std::size(kLengths))] : random.below(2 * input.size() + 2);
  const size_t at = random.below(16);
  for (size_t i = 0; i < 8 && at + i < input.size(); ++i) input[at + i] = static_cast<uint8_t>(length >> (8 * i));
}

/// Another digit in place of one digit: keeps JSON well-formed and changes what it says.
void change_digit(Bytes& input, Random& random) {
  const size_t start = random.below(input.size());
  for (size_t i = 0; i < input.size(); ++i) {
    uint8_t& byte = input[(start + i) % input.size()];
    if (byte < '0' || byte > '9') continue;
    byte = static_cast<uint8_t>('0' + random.below(10));
    return;
  }
}

/// A stretch of one input over a stretch of another (or of itself).
void copy_stretch(Bytes& input, const Bytes& from, Random& random) {
  if (from.empty()) return;
  const size_t begin = random.below(from.size()), length = 1 + random.below(std::min<size_t>(from.size() - begin, 64));
  const Bytes stretch(from.begin() + static_cast<std::ptrdiff_t>(begin),
                      from.begin() + static_cast<std::ptrdiff_t>(begin + length));
  const auto at = static_cast<std::ptrdiff_t>(random.below(input.size() + 1));
  if (random.below(2)) {
    input.insert(input.begin() + at, stretch.begin(), stretch.end());
  } else {
    for (size_t i = 0; i < stretch.size() && static_cast<size_t>(at) + i < input.size(); ++i) {
      input[static_cast<size_t>(at) + i] = stretch[i];
    }
  }
}

void remove_stretch(Bytes& input, Random& random) {
  const size_t begin = random.below(input.size()),
               length = 1 + random.below(std::min<size_t>(input.size() - begin, 64));
  input.erase(input.begin() + static_cast<std::ptrdiff_t>(begin),
              input.begin() + static_cast<std::ptrdiff_t>(begin + length));
}

void mutate_once(Bytes& input, const std::vector<Bytes>& seeds, Random& random) {
  if (input.empty()) return insert_text(input, random);
  const size_t at = random.below(input.size());
  switch (random.below(10)) {
    case 0: input[at] = static_cast<uint8_t>(input[at] ^ 1u << random.below(8)); break;
    case 1: input[at] = static_cast<uint8_t>(random.next()); break;
    case 2: input.resize(at); break;
    case 3: overwrite_length(input, random); break;
    case 4: insert_text(input, random); break;
    case 5: remove_stretch(input, random); break;
    case 6: copy_stretch(input, seeds[random.below(seeds.size())], random); break;
    case 7: copy_stretch(input, Bytes(input), random); break;
    default: change_digit(input, random); break;
  }
}

Bytes mutated(const std::vector<Bytes>& seeds, uint64_t number) {
  Random random(number);
  Bytes input = seeds[random.below(seeds.size())];
  for (size_t steps = size_t{1} << random.below(4); steps > 0; --steps) mutate_once(input, seeds, random);
  if (input.size() > kMaxBytes) input.resize(kMaxBytes);
  return input;
}

// ---- running ----

const Bytes* current = nullptr;  // what the target is reading, for the signal handler
std::string crash_file;

/// Uses only what a signal handler may use.
void save_current() {
  const int fd = ::open(crash_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0 || current == nullptr) return;
  [[maybe_unused]] const ssize_t done = ::write(fd, current->data(), current->size());
  ::close(fd);
}

void on_signal(int signal) {
  save_current();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

/// False if an exception left the target.
bool run(const Bytes& input, const std::string& what) {
  // An exact allocation of its own: a read past the end is one past the allocation.
  const Bytes exact(input);
  current = &exact;
  try {
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: an exception left the target: %s\n", what.c_str(), e.what());
    save_current();
    return false;
  }
  current = nullptr;
  return true;
}

Bytes read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// Files in name order, so that seed numbers are equal everywhere.
void add_seeds(const fs::path& path, std::vector<fs::path>& files) {
  if (!fs::is_directory(path)) return files.push_back(path);
  const size_t before = files.size();
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin() + static_cast<std::ptrdiff_t>(before), files.end());
}

struct Options {
  uint64_t runs = 2000;
  uint64_t seed = 1;
  std::vector<fs::path> files;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.rfind("-runs=", 0) == 0) {
      options.runs = std::strtoull(argument.c_str() + 6, nullptr, 10);
    } else if (argument.rfind("-seed=", 0) == 0) {
      options.seed = std::strtoull(argument.c_str() + 6, nullptr, 10);
    } else {
      add_seeds(argument, options.files);
    }
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  crash_file = "crash-" + fs::path(argv[0]).filename().string() + ".bin";
  for (int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL}) std::signal(signal, on_signal);

  std::vector<Bytes> seeds;
  for (const fs::path& file : options.files) {
    if (!fs::is_regular_file(file)) {
      std::fprintf(stderr, "%s: no such seed\n", file.c_str());
      return 3;
    }
    seeds.push_back(read_file(file));
    if (!run(seeds.back(), file.string())) return 1;
  }
  if (seeds.empty()) seeds.emplace_back();  // a target without a corpus starts from nothing
  for (uint64_t i = 0; i < options.runs; ++i) {
    if (!run(mutated(seeds, (options.seed << 32) + i), "mutation " + std::to_string(i))) return 1;
  }
  std::printf("%zu seeds and %llu mutations, no crash\n", options.files.size(),
              static_cast<unsigned long long>(options.runs));
  return 0;
}
