#include "bench/user_kernel.h"

#include <dlfcn.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <limits>

#include "bench/glmv_kernel.h"
#include "data/file.h"

namespace glmv::bench {

static_assert(static_cast<int>(DType::f64) == GLMV_F64 && static_cast<int>(DType::f32) == GLMV_F32 &&
              static_cast<int>(DType::f16) == GLMV_F16 && static_cast<int>(DType::bf16) == GLMV_BF16 &&
              static_cast<int>(DType::f8e4m3) == GLMV_F8E4M3 && static_cast<int>(DType::i64) == GLMV_I64 &&
              static_cast<int>(DType::i32) == GLMV_I32 && static_cast<int>(DType::u8) == GLMV_U8);

struct UserKernel::Symbols {
  decltype(&glmv_kernel_version) version;
  decltype(&glmv_kernel_ops) ops;
  decltype(&glmv_kernel_device) device;
  decltype(&glmv_kernel_run) run;
};

namespace {

template <class Function>
Function symbol(void* library, const std::string& path, const char* name) {
  void* found = ::dlsym(library, name);
  if (found == nullptr) {
    input_error(path, ": exports no function ", name, "; bench/glmv_kernel.h says what a kernel's library has");
  }
  return reinterpret_cast<Function>(found);
}

std::vector<std::string> split(const char* list) {
  std::vector<std::string> words;
  std::string word;
  for (const char* c = list;; ++c) {
    if (*c == ',' || *c == '\0') {
      if (!word.empty()) words.push_back(std::move(word));
      word.clear();
      if (*c == '\0') return words;
    } else if (*c != ' ') {
      word += *c;
    }
  }
}

const char* text_of(const std::string& path, const char* function, const char* text) {
  if (text == nullptr) usage_error(path, ": ", function, "() returns no text");
  return text;
}

Space space_of(const std::string& path, const std::string& device) {
  if (device == "host") return Space::host;
  if (device == "cuda") return Space::cuda;
  if (device == "hip") return Space::hip;
  usage_error(path, ": glmv_kernel_device() is \"", device, "\"; host, cuda or hip is wanted");
}

double number_of(const std::string& text) {
  if (text == "true") return 1;
  if (text == "false") return 0;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole ? value : std::numeric_limits<double>::quiet_NaN();
}

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
char last_words[1024];
size_t last_words_size = 0;

/// A call's tensors and arguments with the text they point at.
struct Bound {
  std::string op;
  std::vector<std::pair<std::string, std::string>> words;
  std::vector<std::string> names;
  std::vector<glmv_tensor> tensors;
  std::vector<glmv_argument> arguments;
  glmv_call call{};
};

std::shared_ptr<Bound> bound_to(const std::string& op, const CaseRun& run) {
  auto b = std::make_shared<Bound>();
  b->op = op;
  const auto add = [&](const std::string& name, const TensorView& view, bool is_output) {
    glmv_tensor t{};
    t.name = b->names.emplace_back(name).c_str();
    t.dtype = static_cast<int32_t>(view.dtype), t.rank = view.rank;
    std::copy_n(view.dim, view.rank, t.dim);
    std::copy_n(view.stride, view.rank, t.stride);
    t.data = view.data, t.is_output = is_output ? 1 : 0;
    b->tensors.push_back(t);
  };
  b->names.reserve(run.items().size() + run.parts().size());  // their text is pointed at
  for (const CaseRun::Item& item : run.items()) add(item.name, item.view, item.is_output);
  for (const CaseRun::Part& part : run.parts()) {
    const auto whole = std::find_if(run.items().begin(), run.items().end(),
                                    [&](const CaseRun::Item& item) { return item.name == part.whole; });
    add(part.name, part.view, whole->is_output);
  }
  b->words.assign(run.arguments().begin(), run.arguments().end());
  for (const auto& [name, text] : b->words) b->arguments.push_back({name.c_str(), text.c_str(), number_of(text)});
  b->call.op = b->op.c_str();
  b->call.tensors = static_cast<int32_t>(b->tensors.size());
  b->call.arguments = static_cast<int32_t>(b->arguments.size());
  b->call.tensor = b->tensors.data(), b->call.argument = b->arguments.data();
  return b;
}

}  // namespace

UserKernel::UserKernel(const std::string& path) : path_(path), name_(std::filesystem::path(path).stem()) {
  open_input(path);  // says what is wrong with the file itself; a name without a folder is a file here, too
  const std::string place = std::filesystem::absolute(path);
  const LastWords words(path, "while it was loaded");
  library_ = ::dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library_ == nullptr) input_error(path, ": is no library that can be loaded: ", ::dlerror());
  try {
    symbols_ = std::make_unique<Symbols>();
    symbols_->version = symbol<decltype(symbols_->version)>(library_, path, "glmv_kernel_version");
    const int32_t version = symbols_->version();
    if (version != GLMV_KERNEL_VERSION) {
      usage_error(path, ": was compiled for version ", version, " of glmv_kernel.h, this program has version ",
                  GLMV_KERNEL_VERSION);
    }
    symbols_->ops = symbol<decltype(symbols_->ops)>(library_, path, "glmv_kernel_ops");
    symbols_->device = symbol<decltype(symbols_->device)>(library_, path, "glmv_kernel_device");
    symbols_->run = symbol<decltype(symbols_->run)>(library_, path, "glmv_kernel_run");
    ops_ = split(text_of(path, "glmv_kernel_ops", symbols_->ops()));
    if (ops_.empty()) usage_error(path, ": glmv_kernel_ops() names no op");
    for (const std::string& op : ops_) {
      bool known = false;
      OpTable().for_each([&](const char* name, const auto&) { known = known || op == name; });
      if (!known) usage_error(path, ": glmv_kernel_ops() names ", op, ", which is no op; glmv info lists them");
    }
    space_ = space_of(path, text_of(path, "glmv_kernel_device", symbols_->device()));
  } catch (...) {
    ::dlclose(library_);
    throw;
  }
}

UserKernel::~UserKernel() { ::dlclose(library_); }

bool UserKernel::has(const std::string& op) const { return std::find(ops_.begin(), ops_.end(), op) != ops_.end(); }

CaseCall UserKernel::bind(const std::string& op, const CaseRun& run) const {
  return [bound = bound_to(op, run), function = symbols_->run](Exec e) {
    bound->call.stream = e.stream.handle;
    int32_t code = 0;
    try {
      code = function(&bound->call);
    } catch (const std::exception& error) {
      input_error("glmv_kernel_run() threw an exception: ", error.what());
    } catch (...) {
      input_error("glmv_kernel_run() threw something that is no exception");
    }
    if (code != 0) throw Refused{code};
  };
}

struct LastWords::Before {
  struct sigaction of[std::size(kSignals)];
};

namespace {

void say_last_words() {
  const ssize_t written = ::write(STDERR_FILENO, last_words, last_words_size);
  static_cast<void>(written);
}

/// exit() within a kernel: no result was written, so the exit code must not be its own.
void refuse_exit() {
  if (last_words_size == 0) return;
  say_last_words();
  ::_exit(static_cast<int>(ExitCode::bad_input));
}

}  // namespace

LastWords::LastWords(const std::string& libraries, const std::string& when) : before_(std::make_unique<Before>()) {
  static const bool watched = std::atexit(refuse_exit) == 0;
  static_cast<void>(watched);
  const std::string text = concat("glmv bench: ", libraries, " ended the program ", when, "\n");
  last_words_size = std::min(text.size(), sizeof last_words);
  std::copy_n(text.data(), last_words_size, last_words);
  struct sigaction action = {};
  action.sa_handler = [](int signal) {
    say_last_words();
    ::raise(signal);  // the handler is gone by now: the program ends as it would have
  };
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
  for (size_t i = 0; i < std::size(kSignals); ++i) ::sigaction(kSignals[i], &action, &before_->of[i]);
}

LastWords::~LastWords() {
  last_words_size = 0;
  for (size_t i = 0; i < std::size(kSignals); ++i) ::sigaction(kSignals[i], &before_->of[i], nullptr);
}

}  // namespace glmv::bench
