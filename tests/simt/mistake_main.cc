// simt_mistake NAME: runs one deliberate mistake, for tests in which a sanitizer ends the process.
// Exit code 0: nothing was found; 3: the emulator's report is on stdout; anything else: the sanitizer's.
#include <cstdio>
#include <cstring>
#include <exception>

#include "simt/device_memory.h"
#include "simt/settings.h"
#include "tests/simt/find_mistake.h"

int main(int argc, char** argv) try {
  using namespace glmv::simt;
  if (argc < 2) return std::fprintf(stderr, "usage: simt_mistake NAME [reverse | random]\n"), 2;
  if (argc > 2) settings().order = strcmp(argv[2], "reverse") == 0 ? Order::reverse : Order::random;
  const size_t bytes = kMistakeFloats * sizeof(float);
  auto* data = static_cast<float*>(device_malloc(bytes));
  memset(data, 0, bytes);
  const char* report = find_mistake(argv[1]).run(data, kMistakeFloats);
  if (report != nullptr) std::printf("%s\n", report);
  device_free(data);
  return report != nullptr ? 3 : 0;
} catch (const std::exception& e) {
  return std::fprintf(stderr, "%s\n", e.what()), 2;
}
