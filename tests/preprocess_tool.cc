// Picture files -> patches, timed, for bench/peers/preprocess_speed.py.
//
//   preprocess_tool DIR torchvision|pillow FILE...     prints the CPU seconds of each file, in one thread
#include <ctime>
#include <iostream>

#include "data/image.h"
#include "reference/core/error.h"
#include "reference/core/parallel.h"

namespace {

/// Of this process: another one on the same core does not count.
double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double seconds_of(const std::string& path, const glmv::ImageConfig& config) {
  const double begin = cpu_seconds();
  const glmv::Patches patches = glmv::preprocess_image(glmv::read_image(path, config.backend), config);
  const double seconds = cpu_seconds() - begin;
  if (patches.rows.view.size() == 0) glmv::input_error(path, ": no patches");
  return seconds;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 4) glmv::usage_error("preprocess_tool DIR BACKEND FILE...");
    glmv::set_thread_count(1);
    glmv::ImageConfig config = glmv::read_image_config(argv[1]);
    config.backend = glmv::image_backend(argv[2]);
    seconds_of(argv[3], config);  // first calls are not counted, on neither side
    for (int i = 3; i < argc; ++i) std::cout << seconds_of(argv[i], config) << '\n';
    return 0;
  } catch (const glmv::Error& e) {
    std::cerr << e.what() << '\n';
    return static_cast<int>(e.code());
  }
}
