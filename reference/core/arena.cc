#include "reference/core/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace glmv {
namespace {

constexpr size_t kAlign = 64;
constexpr size_t kChunk = size_t{1} << 22;  // 4 MiB

size_t aligned(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

/// Uninitialised. Large blocks are whole huge pages: touching 50 MB for the first time in small ones costs more than
/// writing it, and a tail of small ones costs a tenth of preprocessing a picture.
std::shared_ptr<char[]> aligned_storage(size_t bytes) {
  constexpr size_t kHugePage = size_t{1} << 21;
  const bool is_large = bytes >= 2 * kHugePage;
  const std::align_val_t align{is_large ? kHugePage : kAlign};
  const size_t room = is_large ? (bytes + kHugePage - 1) / kHugePage * kHugePage : std::max<size_t>(bytes, 1);
  auto* p = static_cast<char*>(::operator new[](room, align));
  if (is_large) ::madvise(p, room, MADV_HUGEPAGE);
  return {p, [align](char* q) { ::operator delete[](q, align); }};
}

}  // namespace

Arena::Arena(const Backend& backend, size_t reserve_bytes) : backend_(backend) { reserve(reserve_bytes); }

void Arena::reserve(size_t wanted) {
  const size_t bytes = aligned(wanted);
  if (bytes > 0 && !has(bytes)) chunks_.push_back({static_cast<char*>(backend_.alloc(bytes)), bytes});
}

bool Arena::has(size_t bytes) const {
  return std::any_of(chunks_.begin(), chunks_.end(), [&](const Chunk& c) { return c.bytes >= aligned(bytes); });
}

Arena::~Arena() {
  for (const Chunk& c : chunks_) backend_.free(c.data);
}

size_t Arena::taken_by(size_t bytes) { return aligned(std::max<size_t>(bytes, 1)); }

TensorView Arena::make(DType dtype, std::initializer_list<int64_t> dims) {
  TensorView v = make_view(static_cast<void*>(nullptr), dtype, dims, backend_.space);
  const size_t bytes = taken_by(static_cast<size_t>(v.bytes()));
  while (at_.chunk < chunks_.size() && at_.used + bytes > chunks_[at_.chunk].bytes) {
    ++at_.chunk;
    at_.used = 0;
  }
  if (at_.chunk == chunks_.size()) {
    const size_t chunk = std::max(bytes, kChunk);
    chunks_.push_back({static_cast<char*>(backend_.alloc(chunk)), chunk});
  }
  v.data = chunks_[at_.chunk].data + at_.used;
  at_.used += bytes;
  size_t total = at_.used;
  for (size_t i = 0; i < at_.chunk; ++i) total += chunks_[i].bytes;
  peak_ = std::max(peak_, total);
  return v;
}

Tensor Tensor::unfilled(DType dtype, std::initializer_list<int64_t> dims) {
  Tensor t;
  t.view = make_view(static_cast<void*>(nullptr), dtype, dims);
  t.storage = aligned_storage(static_cast<size_t>(t.view.bytes()));
  t.view.data = t.storage.get();
  return t;
}

Tensor::Tensor(DType dtype, std::initializer_list<int64_t> dims) : Tensor(unfilled(dtype, dims)) {
  std::fill_n(storage.get(), view.bytes(), char{0});
}

Tensor::Tensor(DType dtype, const ConstTensorView& like) {
  view.dtype = dtype;
  view.rank = like.rank;
  int64_t stride = 1;
  for (int i = like.rank - 1; i >= 0; --i) {
    view.dim[i] = like.dim[i];
    view.stride[i] = stride;
    stride *= like.dim[i];
  }
  storage = aligned_storage(static_cast<size_t>(view.bytes()));
  view.data = storage.get();
  std::fill_n(storage.get(), view.bytes(), char{0});
}

namespace {

/// double holds every value of every type here but 64-bit integers beyond 2^53, which stay integers below.
double value_at(const void* data, DType t, int64_t i) {
  switch (t) {
    case DType::f64: return static_cast<const double*>(data)[i];
    case DType::f32: return static_cast<double>(static_cast<const float*>(data)[i]);
    case DType::f16: return static_cast<double>(static_cast<float>(static_cast<const f16*>(data)[i]));
    case DType::bf16: return static_cast<double>(static_cast<float>(static_cast<const bf16*>(data)[i]));
    case DType::f8e4m3: return static_cast<double>(static_cast<float>(static_cast<const f8e4m3*>(data)[i]));
    case DType::i64: return static_cast<double>(static_cast<const int64_t*>(data)[i]);
    case DType::i32: return static_cast<double>(static_cast<const int32_t*>(data)[i]);
    case DType::u8: return static_cast<double>(static_cast<const uint8_t*>(data)[i]);
  }
  return 0;
}

void put(void* data, DType t, int64_t i, double x) {
  const auto f = static_cast<float>(x);
  switch (t) {
    case DType::f64: static_cast<double*>(data)[i] = x; break;
    case DType::f32: static_cast<float*>(data)[i] = f; break;
    case DType::f16: static_cast<f16*>(data)[i] = f16(f); break;
    case DType::bf16: static_cast<bf16*>(data)[i] = bf16(f); break;
    case DType::f8e4m3: static_cast<f8e4m3*>(data)[i] = f8e4m3(f); break;
    case DType::i64: static_cast<int64_t*>(data)[i] = static_cast<int64_t>(x); break;
    case DType::i32: static_cast<int32_t*>(data)[i] = static_cast<int32_t>(x); break;
    case DType::u8: static_cast<uint8_t*>(data)[i] = static_cast<uint8_t>(x); break;
  }
}

/// Visits the elements of two views of equal extents in row-major order: f(offset in a, offset in b).
template <class F>
void visit(const ConstTensorView& a, const ConstTensorView& b, F f) {
  int64_t index[kMaxRank] = {};
  const int64_t n = a.size();
  for (int64_t element = 0; element < n; ++element) {
    int64_t at_a = 0, at_b = 0;
    for (int r = 0; r < a.rank; ++r) at_a += index[r] * a.stride[r], at_b += index[r] * b.stride[r];
    f(at_a, at_b);
    for (int r = a.rank - 1; r >= 0 && ++index[r] == a.dim[r]; --r) index[r] = 0;
  }
}

}  // namespace

void convert(const ConstTensorView& from, const TensorView& to) {
  GLMV_CHECK(from.space == Space::host && to.space == Space::host, "convert works on host memory");
  GLMV_CHECK(equal_extents(from, to), from, " to ", to);
  if (from.dtype == to.dtype && from.contiguous() && to.contiguous()) {
    const auto* bytes = static_cast<const char*>(from.data);
    std::copy(bytes, bytes + from.bytes(), static_cast<char*>(to.data));
  } else if (from.dtype == DType::i64 && to.dtype == DType::i64) {  // a double does not hold all of them
    visit(from, to,
          [&](int64_t a, int64_t b) { static_cast<int64_t*>(to.data)[b] = static_cast<const int64_t*>(from.data)[a]; });
  } else {
    visit(from, to, [&](int64_t a, int64_t b) { put(to.data, to.dtype, b, value_at(from.data, from.dtype, a)); });
  }
}

ScratchScope::ScratchScope(Exec& exec, size_t bytes) : arena_(exec.arena) {
  GLMV_CHECK(arena_ != nullptr, "an op asks for ", bytes, " bytes of scratch memory and there is no arena");
  const Arena::Mark mark = arena_->mark();
  chunk_ = mark.chunk, used_ = mark.used;
  exec.scratch = {arena_->make(DType::u8, {static_cast<int64_t>(bytes)}).data, bytes};
}

ScratchScope::~ScratchScope() { arena_->rewind({chunk_, used_}); }

Tensor to_host(const Backend& backend, const ConstTensorView& v, DType dtype) {
  Tensor out(dtype, v);
  if (v.space == Space::host) {
    convert(v, out.view);
    return out;
  }
  int64_t span = v.size() == 0 ? 0 : 1;  // from the first element to the last, and what lies between
  for (int i = 0; i < v.rank && span > 0; ++i) span += (v.dim[i] - 1) * v.stride[i];
  Tensor staging(v.dtype, {span});
  backend.to_host(staging.view.data, v.data, static_cast<size_t>(staging.view.bytes()));
  ConstTensorView staged = v;
  staged.data = staging.view.data;
  staged.space = Space::host;
  convert(staged, out.view);
  return out;
}

}  // namespace glmv
