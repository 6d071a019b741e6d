// Any bytes are a tokenizer.json or an Error. One that is accepted must encode a text or say why it cannot, and
// decoding the ids in one go and one by one must give the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "data/tokenizer.h"
#include "reference/core/error.h"

using namespace std::string_literals;

namespace {

// Contractions, blanks of several kinds, digits, other scripts, an added token, NUL, four-byte characters.
const std::string kText(
    "I've 12345 the\r\n\n  <|user|>/nothink\xC3\xA9 \xE4\xBD\xA0\xE5\xA5\xBD\xC2\xA0\xF0\x9F\x98\x80\0x\t\t"s);

/// A pattern may be refused while it matches (it runs away), so encoding may throw Error as well.
void use(const glmv::Tokenizer& tokenizer) {
  const std::vector<int64_t> ids = tokenizer.encode(kText);
  glmv::StreamDecoder stream(tokenizer);
  std::string streamed;
  for (const int64_t id : ids) streamed += stream.push(id);
  streamed += stream.finish();
  if (streamed != tokenizer.decode(ids)) std::abort();
  if (tokenizer.size() < 256) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    use(glmv::Tokenizer::parse(std::string(reinterpret_cast<const char*>(data), size), "fuzz"));
  } catch (const glmv::Error& error) {
    if (error.code() != glmv::ExitCode::bad_input && error.code() != glmv::ExitCode::usage) std::abort();
  }
  return 0;
}
