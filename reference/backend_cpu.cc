// The reference as a backend: every plain op, on host memory.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <limits>
#include <new>

#include "reference/add.h"
#include "reference/advance.h"
#include "reference/attention.h"
#include "reference/core/backend.h"
#include "reference/embedding.h"
#include "reference/fused.h"
#include "reference/gelu.h"
#include "reference/kv_write.h"
#include "reference/layernorm.h"
#include "reference/linear.h"
#include "reference/moe_experts.h"
#include "reference/moe_route.h"
#include "reference/mrope.h"
#include "reference/pos_embed.h"
#include "reference/pos_embed_taps.h"
#include "reference/rmsnorm.h"
#include "reference/rope_table.h"
#include "reference/sample.h"
#include "reference/silu_mul.h"
#include "reference/splice.h"

namespace glmv {
namespace {

constexpr std::align_val_t kAlign{64};

void* host_alloc(size_t bytes) {
  try {
    return ::operator new(std::max<size_t>(bytes, 1), kAlign);
  } catch (const std::bad_alloc&) {
    input_error("out of memory: ", bytes, " bytes wanted");
  }
}
void host_free(void* data) { ::operator delete(data, kAlign); }
void host_copy(void* to, const void* from, size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);  // an empty vector's data may be null
}
void host_sync(Stream) {}
void host_send(void* to, const void* from, size_t bytes, Stream) { host_copy(to, from, bytes); }
Stream host_stream() { return {}; }
void host_fill(std::string_view name, const Procedural& law, DType rounded_to, const TensorView& out, Stream) {
  fill_procedural_as(name, law, rounded_to, out);
}

/// What the kernel says programs can have without swapping; nothing where it does not say it.
MemoryInfo host_memory() {
  std::ifstream in("/proc/meminfo");
  MemoryInfo memory;
  size_t kilobytes = 0;
  for (std::string key; in >> key >> kilobytes;) {
    if (key == "MemTotal:") memory.total = 1024 * kilobytes;
    if (key == "MemAvailable:") memory.free = 1024 * kilobytes;
    in.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return memory.free == 0 ? MemoryInfo{} : memory;
}

OpTable reference_ops() {
  OpTable ops;
  ops.pos_embed_taps.run = ref::pos_embed_taps;
  ops.pos_embed.run = ref::pos_embed;
  ops.rope_table.run = ref::rope_table;
  ops.embedding.run = ref::embedding;
  ops.splice.run = ref::splice;
  ops.rmsnorm.run = ref::rmsnorm;
  ops.layernorm.run = ref::layernorm;
  ops.linear.run = ref::linear;
  ops.add.run = ref::add;
  ops.gelu.run = ref::gelu;
  ops.silu_mul.run = ref::silu_mul;
  ops.mrope.run = ref::mrope;
  ops.kv_write.run = ref::kv_write;
  ops.attention.run = ref::attention;
  ops.moe_route.run = ref::moe_route;
  ops.moe_experts.run = ref::moe_experts;
  ops.sample.run = ref::sample;
  ops.advance.run = ref::advance;
  ops.fused_add_rmsnorm.run = ref::fused_add_rmsnorm;
  ops.fused_rope_kv_write.run = ref::fused_rope_kv_write;
  return ops;
}

}  // namespace

const Backend& cpu_backend() {
  static const Backend backend = [] {
    Backend b;
    b.name = "cpu";
    b.ops = reference_ops();
    b.alloc = host_alloc, b.free = host_free;
    b.to_device = host_copy, b.to_host = host_copy, b.send = host_send;
    b.sync = host_sync;
    b.make_stream = host_stream, b.free_stream = host_sync;
    b.memory = host_memory;
    b.fill = host_fill;
    return b;
  }();
  return backend;
}

}  // namespace glmv
