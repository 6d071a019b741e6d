#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "reference/core/cases.h"
#include "reference/core/rows.h"

namespace glmv {
namespace {

constexpr size_t kGuard = 64;  // bytes on either side of every tensor
constexpr unsigned char kGuardByte = 0xA5;

/// Something no op writes by accident: NaN, or a number far outside every range.
void poison(DType dtype, std::vector<unsigned char>& bytes) {
  std::fill(bytes.begin(), bytes.end(), static_cast<unsigned char>(0x7e));
  if (!is_float(dtype)) return;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  std::array<unsigned char, 8> pattern{};
  store_row(&nan, 1, dtype, pattern.data());
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = pattern[i % size_of(dtype)];
}

/// The extents of a tensor whose first axis are token rows.
TensorView shape_of(const TokenRows& rows, CaseRun::Dims rest) {
  TensorView v = make_view(static_cast<void*>(nullptr), DType::f32, {rows.count()}, Space::host);
  for (const int64_t d : rest) v.dim[v.rank++] = d;
  int64_t stride = 1;
  for (int i = v.rank - 1; i >= 0; --i) v.stride[i] = stride, stride *= v.dim[i];
  return v;
}
TensorView shape_of(CaseRun::Dims dims) {
  return make_view(static_cast<void*>(nullptr), DType::f32, dims, Space::host);
}

}  // namespace

SharedTensors::~SharedTensors() {
  for (const auto& [name, block] : blocks_) block.owner->free(block.data);
}

CaseRun::CaseRun(const Backend& backend, DType activation, DType stored, uint64_t seed, const Options& options)
    : backend_(backend), activation_(activation), stored_(stored), seed_(seed), options_(options) {}

CaseRun::CaseRun(const Backend& backend, DType activation, DType stored, uint64_t seed)
    : CaseRun(backend, activation, stored, seed, Options()) {}

CaseRun::~CaseRun() {
  for (const Item& item : items_) {
    if (!item.lent) backend_.free(item.block);
  }
}

TokenRows CaseRun::tokens(int64_t total) const {
  TokenRows rows;
  rows.of = total;
  if (options_.sample != nullptr && !options_.sample->empty()) {
    rows.ids = *options_.sample;
  } else {
    rows.ids.resize(static_cast<size_t>(total));
    std::iota(rows.ids.begin(), rows.ids.end(), 0);
  }
  return rows;
}

/// Fresh memory between guard bands.
void* CaseRun::block_of(size_t bytes) const {
  void* block = backend_.alloc(bytes + 2 * kGuard);
  std::array<unsigned char, kGuard> guard{};
  guard.fill(kGuardByte);
  backend_.to_device(block, guard.data(), kGuard);
  backend_.to_device(static_cast<char*>(block) + kGuard + bytes, guard.data(), kGuard);
  return block;
}

TensorView CaseRun::make(const std::string& name, DType dtype, const TensorView& shape, bool is_output, Judge judge) {
  TensorView v = shape;
  v.dtype = dtype;
  v.space = backend_.space;
  const auto bytes = static_cast<size_t>(v.bytes());
  void* block = block_of(bytes);
  v.data = static_cast<char*>(block) + kGuard;
  if (is_output) {
    std::vector<unsigned char> poisoned(bytes);
    poison(dtype, poisoned);
    backend_.to_device(v.data, poisoned.data(), bytes);
  }
  Item item;
  item.name = name, item.is_output = is_output, item.judge = judge, item.view = v, item.block = block;
  items_.push_back(item);
  return v;
}

void CaseRun::fill(const TensorView& view, const std::string& name, Procedural law, DType stored,
                   const TokenRows* rows) {
  const std::string full = concat(seed_, '/', name);
  const bool plain = options_.mode == Mode::plain, whole = rows == nullptr || !rows->sampled();
  constexpr int64_t kWorthIt = int64_t{16} << 20;  // bytes from which a device fills its own memory
  if (plain && whole && view.space == Space::host && view.bytes() > 0) {
    return fill_procedural_as(full, law, stored, view);
  }
  if (plain && whole && backend_.fill != nullptr && !backend_.emulated && view.bytes() >= kWorthIt) {
    backend_.fill(full, law, stored, view, {});
    return backend_.sync({});
  }
  Tensor host(view.dtype, view);
  if (whole) {
    fill_procedural_as(full, law, stored, host.view);
  } else {
    const int64_t width = view.size() / std::max<int64_t>(rows->count(), 1);
    for (int64_t i = 0; i < rows->count(); ++i) {
      fill_procedural_as(full, law, stored, slice(host.view, 0, i, i + 1), rows->ids[static_cast<size_t>(i)] * width);
    }
  }
  if (!plain) {
    Tensor values(DType::f64, view);
    convert(host.view, values.view);
    for (int64_t i = 0; i < view.size(); ++i) values.data<double>()[i] = std::abs(values.data<double>()[i]);
    convert(values.view, host.view);
  }
  backend_.to_device(view.data, host.view.data, static_cast<size_t>(view.bytes()));
}

TensorView CaseRun::input(const std::string& name, Dims dims, Procedural law) {
  const TensorView v = make(name, activation_, shape_of(dims), false, Judge::noise);
  fill(v, name, law, stored_, nullptr);
  return v;
}

TensorView CaseRun::input(const std::string& name, const TokenRows& rows, Dims dims, Procedural law) {
  const TensorView v = make(name, activation_, shape_of(rows, dims), false, Judge::noise);
  items_.back().by_token = true;
  fill(v, name, law, stored_, &rows);
  return v;
}

TensorView CaseRun::fixed(const std::string& name, DType dtype, Dims dims, Procedural law) {
  const bool lent = options_.shared != nullptr && backend_.space == Space::host && options_.mode == Mode::plain;
  if (lent) {
    const auto found = options_.shared->blocks_.find(name);
    if (found != options_.shared->blocks_.end()) {
      Item item;
      item.name = name, item.lent = true, item.block = found->second.data;
      item.view = make_view(static_cast<char*>(item.block) + kGuard, dtype, dims, Space::host);
      items_.push_back(item);
      return item.view;
    }
  }
  const TensorView v = make(name, dtype, shape_of(dims), false, Judge::noise);
  fill(v, name, law, dtype, nullptr);
  if (lent) {
    options_.shared->blocks_[name] = {&backend_, items_.back().block};
    items_.back().lent = true;
  }
  return v;
}

TensorView CaseRun::fixed(const std::string& name, DType dtype, const TokenRows& rows, Dims dims, Procedural law) {
  const TensorView v = make(name, dtype, shape_of(rows, dims), false, Judge::noise);
  items_.back().by_token = true;
  fill(v, name, law, dtype, &rows);
  return v;
}

TensorView CaseRun::ids(const std::string& name, const std::vector<int32_t>& values, Dims dims) {
  const TensorView v = make(name, DType::i32, shape_of(dims), false, Judge::exact);
  GLMV_CHECK(static_cast<int64_t>(values.size()) == v.size(), values.size(), " values for ", v);
  backend_.to_device(v.data, values.data(), values.size() * sizeof(int32_t));
  return v;
}

TensorView CaseRun::ids(const std::string& name, const std::vector<int32_t>& values) {
  return ids(name, values, {static_cast<int64_t>(values.size())});
}

TensorView CaseRun::values(const std::string& name, DType dtype, const std::vector<double>& values, Dims dims) {
  const TensorView v = make(name, dtype, shape_of(dims), false, Judge::exact);
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

ExpertWeights CaseRun::experts(int64_t e, int64_t f, int64_t h, Format format, const std::vector<bool>& used) {
  const auto is_used = [&](int64_t i) { return used.empty() || used[static_cast<size_t>(i)]; };
  const auto matrices = [&](const char* name, int64_t n, int64_t k) {
    auto list = std::make_unique<std::vector<Weight>>(static_cast<size_t>(e));
    const Weight* first = nullptr;
    for (int64_t i = 0; i < e; ++i) {
      if (!is_used(i)) continue;
      Weight& w = (*list)[static_cast<size_t>(i)] = weight(concat(name, '.', i), n, k, format);
      if (first == nullptr) first = &w;
    }
    for (int64_t i = 0; i < e && first != nullptr; ++i) {
      if (!is_used(i)) (*list)[static_cast<size_t>(i)] = *first;
    }
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

TensorView CaseRun::part(const std::string& name, const std::string& whole, int64_t begin, int64_t end) {
  const auto found = std::find_if(items_.begin(), items_.end(), [&](const Item& i) { return i.name == whole; });
  GLMV_CHECK(found != items_.end(), "a part of ", whole, ", which is no tensor of the case");
  argument(name, concat(whole, "[:, ", begin, ':', end, ']'));
  parts_.push_back({name, whole, slice(found->view, 1, begin, end)});
  return parts_.back().view;
}

TensorView CaseRun::output(const std::string& name, Dims dims, Judge judge) {
  return output(name, activation_, dims, judge);
}
TensorView CaseRun::output(const std::string& name, DType dtype, Dims dims, Judge judge) {
  return make(name, dtype, shape_of(dims), true, judge);
}
TensorView CaseRun::output(const std::string& name, const TokenRows& rows, Dims dims) {
  return output(name, activation_, rows, dims, Judge::noise);
}
TensorView CaseRun::output(const std::string& name, DType dtype, const TokenRows& rows, Dims dims, Judge judge) {
  const TensorView v = make(name, dtype, shape_of(rows, dims), true, judge);
  items_.back().by_token = true;
  return v;
}

TensorView CaseRun::in_place(const std::string& name, Dims dims, Procedural law) {
  const TensorView v = make(name, activation_, shape_of(dims), true, Judge::noise);
  fill(v, name, law, stored_, nullptr);
  return v;
}
TensorView CaseRun::in_place(const std::string& name, const TokenRows& rows, Dims dims, Procedural law) {
  const TensorView v = make(name, activation_, shape_of(rows, dims), true, Judge::noise);
  items_.back().by_token = true;
  fill(v, name, law, stored_, &rows);
  return v;
}

Tensor CaseRun::fetch(const Item& item) const { return to_host(backend_, item.view); }

std::string CaseRun::broken_guard() const {
  std::array<unsigned char, kGuard> before{}, behind{};
  const auto touched = [](unsigned char b) { return b != kGuardByte; };
  for (const Item& item : items_) {
    const auto bytes = static_cast<size_t>(item.view.bytes());
    backend_.to_host(before.data(), item.block, kGuard);
    backend_.to_host(behind.data(), static_cast<char*>(item.block) + kGuard + bytes, kGuard);
    if (std::any_of(before.begin(), before.end(), touched) || std::any_of(behind.begin(), behind.end(), touched)) {
      return item.name;
    }
  }
  return "";
}

}  // namespace glmv
