// Runs our tokenizer over many texts, for tests/golden/check_tokenizer.py, which compares and times it.
//
//   tokenize_tool DIR encode < texts > ids      each text: u32 bytes, then UTF-8; each answer: u32 count, then i32 ids
//   tokenize_tool DIR decode < ids > texts      the other way round, id by id through StreamDecoder
//
// The CPU seconds of the work alone go to stderr.
#include <cstdint>
#include <ctime>
#include <iostream>
#include <iterator>

#include "data/tokenizer.h"
#include "reference/core/error.h"

namespace {

/// Records of a length and as many elements of T.
template <class T>
std::vector<std::vector<T>> read_records(const std::string& bytes) {
  std::vector<std::vector<T>> records;
  for (size_t at = 0; at < bytes.size();) {
    uint32_t count = 0;
    if (bytes.size() - at < sizeof count) glmv::input_error("stdin: a length is cut off");
    bytes.copy(reinterpret_cast<char*>(&count), sizeof count, at);
    at += sizeof count;
    if ((bytes.size() - at) / sizeof(T) < count) glmv::input_error("stdin: a record of ", count, " is cut off");
    std::vector<T>& record = records.emplace_back(count);
    bytes.copy(reinterpret_cast<char*>(record.data()), count * sizeof(T), at);
    at += count * sizeof(T);
  }
  return records;
}

template <class T, class Records>
void write_records(const Records& records) {
  for (const auto& record : records) {
    const auto count = static_cast<uint32_t>(record.size());
    std::cout.write(reinterpret_cast<const char*>(&count), sizeof count);
    const std::vector<T> out(record.begin(), record.end());
    std::cout.write(reinterpret_cast<const char*>(out.data()), static_cast<std::streamsize>(count * sizeof(T)));
  }
}

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// All results of f, and how long they took.
template <class Records, class F>
auto timed(const Records& records, F f) {
  std::vector<decltype(f(records[0]))> out;
  out.reserve(records.size());
  const double begin = cpu_seconds();
  for (const auto& record : records) out.push_back(f(record));
  std::cerr << cpu_seconds() - begin << '\n';
  return out;
}

int run(const std::string& dir, const std::string& what) {
  const glmv::Tokenizer tokenizer = glmv::Tokenizer::open(dir);
  const std::string bytes(std::istreambuf_iterator<char>(std::cin), {});
  if (what == "encode") {
    const auto encode = [&](const std::vector<char>& text) { return tokenizer.encode({text.data(), text.size()}); };
    write_records<int32_t>(timed(read_records<char>(bytes), encode));
  } else if (what == "decode") {
    const auto decode = [&](const std::vector<int32_t>& ids) {
      glmv::StreamDecoder stream(tokenizer);
      std::string text;
      for (const int32_t id : ids) text += stream.push(id);
      return text + stream.finish();
    };
    write_records<char>(timed(read_records<int32_t>(bytes), decode));
  } else {
    glmv::usage_error(what, ": encode or decode is wanted");
  }
  std::cout.flush();
  return std::cout ? 0 : 3;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 3) glmv::usage_error("tokenize_tool DIR encode|decode");
    return run(argv[1], argv[2]);
  } catch (const glmv::Error& e) {
    std::cerr << e.what() << '\n';
    return static_cast<int>(e.code());
  }
}
