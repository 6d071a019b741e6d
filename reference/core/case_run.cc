#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "reference/core/cases.h"
#include "reference/core/rows.h"

namespace glmv {
namespace {

constexpr size_t kGuard = 64;  // bytes on either side of every tensor
constexpr unsigned char kGuardByte = 0xA5;

TensorView contiguous(void* data, DType dtype, CaseRun::Dims dims, Space space) {
  return make_view(data, dtype, dims, space);
}

/// Something no op writes by accident: NaN, or a number far outside every range.
void poison(const TensorView& v) {
  for (int64_t i = 0; i < v.size(); ++i) {
    char* at = static_cast<char*>(v.data) + i * static_cast<int64_t>(size_of(v.dtype));
    if (is_float(v.dtype)) {
      const double nan = std::numeric_limits<double>::quiet_NaN();
      store_row(&nan, 1, v.dtype, at);
    } else {
      std::memset(at, 0x7e, size_of(v.dtype));
    }
  }
}

}  // namespace

CaseRun::CaseRun(const Backend& backend, DType activation, DType stored, uint64_t seed, Mode mode)
    : backend_(backend), activation_(activation), stored_(stored), seed_(seed), mode_(mode) {}

CaseRun::~CaseRun() {
  for (const Item& item : items_) backend_.free(item.block);
}

TensorView CaseRun::make(const std::string& name, DType dtype, Dims dims, bool is_output, Judge judge) {
  TensorView v = contiguous(nullptr, dtype, dims, backend_.space);
  const auto bytes = static_cast<size_t>(v.bytes());
  std::vector<unsigned char> guards(bytes + 2 * kGuard, kGuardByte);
  TensorView body = contiguous(guards.data() + kGuard, dtype, dims, Space::host);
  poison(body);
  void* block = backend_.alloc(guards.size());
  backend_.to_device(block, guards.data(), guards.size());
  v.data = static_cast<char*>(block) + kGuard;
  items_.push_back({name, is_output, judge, v, block});
  return v;
}

void CaseRun::fill(const TensorView& view, const std::string& name, Procedural law, DType stored) {
  Tensor host(view.dtype, view);
  Tensor rounded(stored, view);
  fill_procedural(concat(seed_, '/', name), law, rounded.view);
  convert(rounded.view, host.view);
  if (mode_ == Mode::absolute) {
    Tensor values(DType::f64, view);
    convert(host.view, values.view);
    for (int64_t i = 0; i < view.size(); ++i) values.data<double>()[i] = std::abs(values.data<double>()[i]);
    convert(values.view, host.view);
  }
  backend_.to_device(view.data, host.view.data, static_cast<size_t>(view.bytes()));
}

TensorView CaseRun::input(const std::string& name, Dims dims, Procedural law) {
  const TensorView v = make(name, activation_, dims, false, Judge::noise);
  fill(v, name, law, stored_);
  return v;
}

TensorView CaseRun::fixed(const std::string& name, DType dtype, Dims dims, Procedural law) {
  const TensorView v = make(name, dtype, dims, false, Judge::noise);
  fill(v, name, law, dtype);
  return v;
}

TensorView CaseRun::ids(const std::string& name, const std::vector<int32_t>& values, Dims dims) {
  const TensorView v = make(name, DType::i32, dims, false, Judge::exact);
  GLMV_CHECK(static_cast<int64_t>(values.size()) == v.size(), values.size(), " values for ", v);
  backend_.to_device(v.data, values.data(), values.size() * sizeof(int32_t));
  return v;
}

TensorView CaseRun::ids(const std::string& name, const std::vector<int32_t>& values) {
  return ids(name, values, {static_cast<int64_t>(values.size())});
}

TensorView CaseRun::values(const std::string& name, DType dtype, const std::vector<double>& values, Dims dims) {
  const TensorView v = make(name, dtype, dims, false, Judge::exact);
  GLMV_CHECK(static_cast<int64_t>(values.size()) == v.size(), values.size(), " values for ", v);
  std::vector<char> host(static_cast<size_t>(v.bytes()));
  store_row(values.data(), v.size(), v.dtype, host.data());
  backend_.to_device(v.data, host.data(), host.size());
  return v;
}

Weight CaseRun::weight(const std::string& name, int64_t n, int64_t k, Format format) {
  Weight w;
  w.format = format;
  const double scale = std::sqrt(3.0 / static_cast<double>(k));
  if (format == Format::plain) {
    w.data = fixed(name, DType::bf16, {n, k}, {scale, 0});
  } else {
    w.data = fixed(name, DType::f8e4m3, {n, k}, {400, 0});  // most of the codes are met
    w.scale = fixed(name + "_scale", DType::f32, {n, 1}, {scale / 1600, scale / 400});
  }
  return w;
}

ExpertWeights CaseRun::experts(int64_t e, int64_t f, int64_t h, Format format) {
  const auto matrices = [&](const char* name, int64_t n, int64_t k) {
    auto list = std::make_unique<std::vector<Weight>>();
    for (int64_t i = 0; i < e; ++i) list->push_back(weight(concat(name, '.', i), n, k, format));
    experts_.push_back(std::move(list));
    return experts_.back()->data();
  };
  ExpertWeights w;
  w.gate = matrices("gate", f, h);
  w.up = matrices("up", f, h);
  w.down = matrices("down", h, f);
  w.count = e;
  return w;
}

float CaseRun::scalar(const std::string& name, float value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;  // the shortest that reads back
  argument(name, std::string(text.data(), end));
  return value;
}
int64_t CaseRun::scalar(const std::string& name, int64_t value) {
  argument(name, std::to_string(value));
  return value;
}
bool CaseRun::scalar(const std::string& name, bool value) {
  argument(name, value ? "true" : "false");
  return value;
}
Rounding CaseRun::scalar(const std::string& name, Rounding value) {
  argument(name, concat(name_of(value)));
  return value;
}
void CaseRun::argument(const std::string& name, const std::string& value) { arguments_[name] = value; }

TensorView CaseRun::output(const std::string& name, Dims dims, Judge judge) {
  return output(name, activation_, dims, judge);
}
TensorView CaseRun::output(const std::string& name, DType dtype, Dims dims, Judge judge) {
  return make(name, dtype, dims, true, judge);
}

TensorView CaseRun::in_place(const std::string& name, Dims dims, Procedural law) {
  const TensorView v = make(name, activation_, dims, true, Judge::noise);
  fill(v, name, law, stored_);
  return v;
}

Tensor CaseRun::fetch(const Item& item) const { return to_host(backend_, item.view); }

std::string CaseRun::broken_guard() const {
  for (const Item& item : items_) {
    const size_t bytes = static_cast<size_t>(item.view.bytes()) + 2 * kGuard;
    std::vector<unsigned char> host(bytes);
    backend_.to_host(host.data(), item.block, bytes);
    const auto touched = [](unsigned char b) { return b != kGuardByte; };
    if (std::any_of(host.begin(), host.begin() + kGuard, touched) ||
        std::any_of(host.end() - kGuard, host.end(), touched)) {
      return item.name;
    }
  }
  return "";
}

}  // namespace glmv
