// Every small case on every linked backend; every known mistake fails a case; contracts are enforced.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <complex>
#include <map>
#include <set>

#include "crosscheck/mistakes.h"
#include "reference/add.h"
#include "reference/advance.h"
#include "reference/all_cases.h"
#include "reference/attention.h"
#include "reference/backends.h"
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
#include "tests/emulated_case.h"

namespace glmv {
namespace {

/// The backends of this machine; the others are named.
std::vector<const Backend*> present_backends() {
  std::vector<const Backend*> list;
  for (const Backend* b : linked_backends()) {
    if (const std::string why = absence(*b); why.empty()) {
      list.push_back(b);
    } else {
      std::cout << "skipped: every case on " << b->name << " (" << why << ")\n";
    }
  }
  return list;
}

TEST(Cases, EveryOneOnEveryBackend) {
  const std::vector<const Backend*> backends = present_backends();
  std::map<std::string_view, double> seconds;
  int64_t run = 0, skipped = 0, shared = 0;
  for (const Case& c : all_cases()) {
    if (!c.small) continue;
    const auto start = std::chrono::steady_clock::now();
    const CaseTruth truth(c, cpu_backend(), 1);
    seconds["their truth"] += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::set<void (*)()> tested;  // a rung takes over what it has nothing better for: that is run once
    for (const Backend* backend : backends) {
      const auto function = function_of(backend->ops, op_of(c));
      if (function != nullptr && !tested.insert(function).second) {
        ++shared;
        continue;
      }
      const CaseReport r = truth.judge(*backend);
      EXPECT_NE(r.status, CaseReport::Status::failed) << r.failures();
      (r.status == CaseReport::Status::not_implemented ? skipped : run) += 1;
      seconds[backend->name] += r.seconds;
    }
  }
  EXPECT_GT(run, 150);
  std::cout << run << " cases run, " << shared << " not again (an earlier backend has the same function), " << skipped
            << " skipped (op not implemented on that backend)\n";
  for (const auto& [what, spent] : seconds) std::cout << "  " << what << ": " << spent << " s\n";
}

TEST(Cases, HaveUniqueNamesAndCoverEveryOp) {
  std::set<std::string> names, ops;
  for (const Case& c : all_cases()) {
    EXPECT_TRUE(names.insert(c.name).second) << c.name << " is there twice";
    ops.insert(op_of(c));
  }
  cpu_backend().ops.for_each(
      [&](const char* op, const auto&) { EXPECT_EQ(ops.count(op), 1u) << "no case for " << op; });
}

TEST(Cases, OtherSeedsGiveOtherInputsAndPass) {
  const Case& c = find_case("attention/chunk_f32_T5_S70_B1_heads12_1_D32_page64");
  const auto first = dump_case(c, cpu_backend(), 1), second = dump_case(c, cpu_backend(), 2);
  EXPECT_GT(compare_exact(first.tensors[0].second.view, second.tensors[0].second.view).different, 0);
  for (uint64_t seed = 2; seed < 5; ++seed)
    EXPECT_EQ(run_case(c, cpu_backend(), cpu_backend(), seed).status, CaseReport::Status::passed);
}

/// The ops for which a table has another function than the reference's.
std::set<std::string> changed_ops(const OpTable& table) {
  std::map<std::string, void (*)()> right;
  cpu_backend().ops.for_each(
      [&](const char* op, const auto& entry) { right[op] = reinterpret_cast<void (*)()>(entry.run); });
  std::set<std::string> changed;
  table.for_each([&](const char* op, const auto& entry) {
    if (reinterpret_cast<void (*)()>(entry.run) != right.at(op)) changed.insert(op);
  });
  return changed;
}

bool fails(const CaseTruth& truth, const Backend& wrong) {
  try {
    return truth.judge(wrong).status == CaseReport::Status::failed;
  } catch (const Error&) {
    return true;
  }
}

/// A backend that must not pass.
struct Wrong {
  std::string what;
  Backend backend;
};

/// Some small case of a changed op fails on each of these backends; a case calls no op but its own.
void expect_caught(std::vector<Wrong> wrongs) {
  for (const Case& c : all_cases()) {
    if (!c.small) continue;
    const auto concerns = [&](const Wrong& w) { return changed_ops(w.backend.ops).count(op_of(c)) != 0; };
    if (std::none_of(wrongs.begin(), wrongs.end(), concerns)) continue;
    const CaseTruth truth(c, cpu_backend(), 1);
    std::erase_if(wrongs, [&](const Wrong& w) { return concerns(w) && fails(truth, w.backend); });
  }
  for (const Wrong& w : wrongs) ADD_FAILURE() << "no case catches: " << w.what;
}

TEST(Cases, CatchEveryKnownMistake) {
  std::vector<Wrong> wrongs;
  const Model nothing;
  // Small correction biases hide nothing of a score; a case calls one op, and this mistake is in two.
  const std::set<std::string> unseen = {"router_scores=recovered", "routed_scale=in_experts_too"};
  for (const Mistake& m : mistakes()) {
    Mutant wrong(nothing);
    if (m.build) m.build(wrong);
    if (wrong.selective || changed_ops(wrong.backend.ops).empty() || unseen.count(m.name) > 0) continue;
    wrongs.push_back({m.name, wrong.backend});
  }
  EXPECT_GT(wrongs.size(), 30u);
  expect_caught(std::move(wrongs));
}

/// Mistakes of the kind that kernels make rather than models.
TEST(Cases, CatchMistakesOfKernels) {
  const std::pair<const char*, void (*)(OpTable&)> mistakes[] = {
      {"mask off by one",
       [](OpTable& t) {
         t.attention.run = [](const AttentionArgs& a, Exec e) {
           AttentionArgs w = a;
           if (a.mask == Mask::causal && a.q.dim[0] > 1 && a.cu_seqlens.dim[0] == 2) w.mask = Mask::full;
           ref::attention(w, e);
         };
       }},
      {"page table ignored",
       [](OpTable& t) {
         t.attention.run = [](const AttentionArgs& a, Exec e) {
           AttentionArgs w = a;
           Tensor table(DType::i32, a.kv.page_table);
           for (int64_t i = 0; i < table.view.size(); ++i)
             table.data<int32_t>()[i] = static_cast<int32_t>(i % a.kv.k_pages.dim[0]);
           w.kv.page_table = table.view;
           ref::attention(w, e);
         };
       }},
      {"rounded once instead of as Hugging Face",
       [](OpTable& t) {
         t.attention.run = [](const AttentionArgs& a, Exec e) {
           AttentionArgs w = a;
           w.rounding = Rounding::once;
           ref::attention(w, e);
           Tensor copy(a.out.dtype, a.out);
           convert(a.out, copy.view);
           for (int64_t i = 0; i < a.out.size(); ++i) {  // and one row lost its last bits
             if (a.out.dtype == DType::bf16) static_cast<bf16*>(a.out.data)[i].bits &= 0xfff0;
           }
         };
       }},
      {"last row not written",
       [](OpTable& t) {
         t.rmsnorm.run = [](const RmsNormArgs& a, Exec e) {
           RmsNormArgs w = a;
           w.x = slice(a.x, 0, 0, a.x.dim[0] - 1);
           w.out = slice(a.out, 0, 0, a.out.dim[0] - 1);
           ref::rmsnorm(w, e);
         };
       }},
      {"writes one element too many",
       [](OpTable& t) {
         t.add.run = [](const AddArgs& a, Exec e) {
           ref::add(a, e);
           static_cast<char*>(a.out.data)[a.out.bytes()] = 1;
         };
       }},
      {"bias forgotten",
       [](OpTable& t) { t.linear.run = [](const LinearArgs& a, Exec e) {
                          ref::linear({a.x, a.w, {}, a.out}, e);
                        }; }},
      {"epsilon outside the root",
       [](OpTable& t) {
         t.rmsnorm.run = [](const RmsNormArgs& a, Exec e) {
           RmsNormArgs w = a;
           w.eps = 0.01f;
           ref::rmsnorm(w, e);
         };
       }},
      {"ties to the higher index",
       [](OpTable& t) {
         t.sample.run = [](const SampleArgs& a, Exec e) {
           ref::sample(a, e);
           Tensor x(DType::f64, a.logits);
           convert(a.logits, x.view);
           for (int64_t row = 0; row < a.logits.dim[0]; ++row) {
             const double* v = x.data<double>() + row * a.logits.dim[1];
             auto& id = static_cast<int32_t*>(a.ids.data)[row];
             for (int64_t i = 0; i < a.logits.dim[1] && id >= 0; ++i) {
               if (v[i] >= v[id]) id = static_cast<int32_t>(i);
             }
           }
         };
       }},
  };
  std::vector<Wrong> wrongs;
  for (const auto& [what, apply] : mistakes) {
    wrongs.push_back({what, cpu_backend()});
    apply(wrongs.back().backend.ops);
  }
  expect_caught(std::move(wrongs));
}

// ---- Oracles: the f64 run against the definition, written differently. Both sum in double, so they agree to the
// ---- rounding of a few hundred operations.

/// |a - b| of two doubles that took about `operations` roundings on values of this size.
void expect_same(double a, double b, double size, double operations, const std::string& where) {
  EXPECT_LE(std::abs(a - b), operations * 0x1p-52 * (size + 1)) << where << ": " << a << " against " << b;
}

/// The f64 tensors of a case, before and after.
struct Oracle {
  CaseRun run;
  explicit Oracle(const Case& c) : run(cpu_backend(), DType::f64, c.dtype, 3) { c.build(run, cpu_backend().ops)({}); }
  std::vector<double> operator()(const std::string& name) const {
    for (const CaseRun::Item& item : run.items()) {
      if (item.name != name) continue;
      Tensor t(DType::f64, item.view);
      convert(item.view, t.view);
      return {t.data<double>(), t.data<double>() + t.view.size()};
    }
    throw Error(ExitCode::usage, "no tensor " + name);
  }
};

TEST(Oracle, AttentionIsTheSoftmaxOfItsDefinition) {
  const Oracle o(find_case("attention/chunk_f32_T5_S70_B1_heads12_1_D32_page64"));
  const auto q = o("q"), k = o("k_pages"), v = o("v_pages"), table = o("page_table"), out = o("out");
  const size_t queries = 5, keys = 70, heads = 12, width = 32, page = 64;
  const auto row = [&](size_t s) { return (static_cast<size_t>(table[s / page]) * page + s % page) * width; };
  for (size_t t = 0; t < queries; ++t) {
    for (size_t h = 0; h < heads; ++h) {
      std::vector<double> weight(keys, 0.0);
      double total = 0;
      for (size_t s = 0; s <= keys - queries + t; ++s) {
        double dot = 0;
        for (size_t d = 0; d < width; ++d) dot += q[(t * heads + h) * width + d] * k[row(s) + d];
        total += weight[s] = std::exp(dot * static_cast<double>(1 / std::sqrt(32.0f)));
      }
      for (size_t d = 0; d < width; ++d) {
        double value = 0;
        for (size_t s = 0; s < keys; ++s) value += weight[s] / total * v[row(s) + d];
        expect_same(out[(t * heads + h) * width + d], value, 1, 1000, concat(t, ' ', h, ' ', d));
      }
    }
  }
}

TEST(Oracle, MropeIsAComplexProduct) {
  for (const bool half : {true, false}) {
    const Oracle o(
        find_case(half ? "mrope/half_split_f32_T7_heads12_D128_J32" : "mrope/even_odd_f32_T7_heads12_D128_J32"));
    const auto x = o("x"), cosine = o("cos"), sine = o("sin"), out = o("out");
    for (size_t row = 0; row < size_t{7} * 12; ++row) {
      for (size_t j = 0; j < 32; ++j) {
        const size_t a = row * 128 + (half ? j : 2 * j), b = row * 128 + (half ? j + 32 : 2 * j + 1),
                     angle = row / 12 * 32 + j;
        const std::complex<double> turned = std::complex(x[a], x[b]) * std::complex(cosine[angle], sine[angle]);
        expect_same(out[a], turned.real(), 2, 4, "real");
        expect_same(out[b], turned.imag(), 2, 4, "imaginary");
      }
      for (size_t d = 64; d < 128; ++d) EXPECT_EQ(out[row * 128 + d], x[row * 128 + d]);
    }
  }
}

TEST(Oracle, RouterChoosesWhatBruteForceChooses) {
  const Oracle o(find_case("moe_route/groups_f32_T9_H24_E12_K3"));
  const auto x = o("x"), gate = o("gate"), bias = o("correction_bias"), ids = o("ids"), weights = o("weights");
  const size_t width = 24, experts = 12, k = 3;
  for (size_t t = 0; t < 9; ++t) {
    std::vector<double> score(experts);
    for (size_t e = 0; e < experts; ++e) {
      double logit = 0;
      for (size_t h = 0; h < width; ++h) logit += x[t * width + h] * gate[e * width + h];
      score[e] = 1 / (1 + std::exp(-logit));
    }
    // All sets of three experts of one group: the best sum of biased scores, inside the group with the best two.
    const auto biased = [&](size_t e) { return score[e] + bias[e]; };
    double best_group = -1;
    size_t group = 0;
    for (size_t g = 0; g < 2; ++g) {
      for (size_t a = 0; a < 6; ++a) {
        for (size_t b = a + 1; b < 6; ++b) {
          if (biased(g * 6 + a) + biased(g * 6 + b) > best_group)
            best_group = biased(g * 6 + a) + biased(g * 6 + b), group = g;
        }
      }
    }
    double best = -1;
    std::vector<size_t> chosen;
    for (size_t a = 0; a < 6; ++a) {
      for (size_t b = a + 1; b < 6; ++b) {
        for (size_t c = b + 1; c < 6; ++c) {
          const size_t first = group * 6;
          const double sum = biased(first + a) + biased(first + b) + biased(first + c);
          if (sum > best) best = sum, chosen = {first + a, first + b, first + c};
        }
      }
    }
    const double total = score[chosen[0]] + score[chosen[1]] + score[chosen[2]];
    for (size_t i = 0; i < k; ++i) {
      EXPECT_EQ(static_cast<size_t>(ids[t * k + i]), chosen[i]) << "token " << t;
      expect_same(weights[t * k + i], score[chosen[i]] / total * static_cast<double>(1.7f), 2, 100, "weight");
    }
  }
}

TEST(Oracle, ExpertsAreWeightedMlps) {
  const Oracle o(find_case("moe_experts/decode_f32_T1_H32_F24_E8_K2"));
  const auto x = o("x"), ids = o("ids"), weights = o("weights"), out = o("out");
  for (size_t h = 0; h < 32; ++h) {
    double value = 0;
    for (size_t i = 0; i < 2; ++i) {
      const auto e = static_cast<int64_t>(ids[i]);
      const auto gate = o(concat("gate.", e)), up = o(concat("up.", e)), down = o(concat("down.", e));
      for (size_t f = 0; f < 24; ++f) {
        double g = 0, u = 0;
        for (size_t j = 0; j < 32; ++j) g += gate[f * 32 + j] * x[j], u += up[f * 32 + j] * x[j];
        value += weights[i] * down[h * 24 + f] * (g / (1 + std::exp(-g)) * u);
      }
    }
    expect_same(out[h], value, 2, 500, concat(h));
  }
}

TEST(Oracle, NormsAndGelu) {
  const Oracle rms(find_case("rmsnorm/f32_T7_H33")), layer(find_case("layernorm/f32_T7_H33")),
      gelu(find_case("gelu/f32_T7_H33"));
  const auto x = rms("x"), w = rms("weight"), y = rms("out");
  const auto lx = layer("x"), lw = layer("weight"), lb = layer("bias"), ly = layer("out");
  const auto gx = gelu("x"), gy = gelu("out");
  for (size_t t = 0; t < 7; ++t) {
    double squares = 0, mean = 0, variance = 0;
    for (size_t h = 0; h < 33; ++h) squares += x[t * 33 + h] * x[t * 33 + h] / 33, mean += lx[t * 33 + h] / 33;
    for (size_t h = 0; h < 33; ++h) variance += (lx[t * 33 + h] - mean) * (lx[t * 33 + h] - mean) / 33;
    for (size_t h = 0; h < 33; ++h) {
      const size_t i = t * 33 + h;
      const double eps = static_cast<double>(1e-5f);
      expect_same(y[i], w[h] * x[i] / std::sqrt(squares + eps), 4, 200, "rmsnorm");
      expect_same(ly[i], lw[h] * (lx[i] - mean) / std::sqrt(variance + eps) + lb[h], 4, 200, "layernorm");
      const long double z = static_cast<long double>(gx[i]);
      expect_same(gy[i], static_cast<double>(z * std::erfc(-z / std::sqrt(2.0L)) / 2), 6, 10, "gelu");
    }
  }
}

TEST(Oracle, PositionTableIsKeysCubicConvolution) {
  const Oracle o(find_case("pos_embed_taps/h4_w6_side5"));
  const auto iy = o("index_y"), wy = o("weight_y");
  for (size_t p = 0; p < 24; ++p) {
    const double at = (std::floor(static_cast<double>(p) / 6) + 0.5) / 4 * 5 - 0.5;
    double sum = 0;
    for (size_t i = 0; i < 4; ++i) {
      const double tap = std::floor(at) - 1 + static_cast<double>(i), d = std::abs(at - tap), a = -0.75;
      const double weight =
          d <= 1 ? (a + 2) * d * d * d - (a + 3) * d * d + 1 : a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a;
      EXPECT_NEAR(wy[p * 4 + i], weight, 64 * 0x1p-24) << p << ' ' << i;  // f32 by definition: a few roundings apart
      EXPECT_EQ(iy[p * 4 + i], std::min(std::max(tap, 0.0), 4.0));
      sum += wy[p * 4 + i];
    }
    EXPECT_NEAR(sum, 1, 16 * 0x1p-24);
  }
}

// ---- Contracts ----

struct Tensors {
  Arena arena{cpu_backend()};
  TensorView f(std::initializer_list<int64_t> d) { return arena.make(DType::f32, d); }
  TensorView b(std::initializer_list<int64_t> d) { return arena.make(DType::bf16, d); }
  TensorView i(std::initializer_list<int64_t> d, int32_t value = 0) {
    const TensorView v = arena.make(DType::i32, d);
    for (int64_t n = 0; n < v.size(); ++n) static_cast<int32_t*>(v.data)[n] = value;
    return v;
  }
  Weight w(int64_t n, int64_t k) {
    Weight weight;
    weight.data = b({n, k});
    return weight;
  }
};

TEST(Contracts, ViolationsAreErrorsThatNameTheTensors) {
  Tensors t;
  EXPECT_THROW(ref::add({t.f({2, 3}), t.f({2, 4}), t.f({2, 3})}, {}), Error);
  EXPECT_THROW(ref::add({t.f({2, 3}), t.b({2, 3}), t.f({2, 3})}, {}), Error);
  EXPECT_THROW(ref::gelu({t.f({2, 3}), t.f({3, 2})}, {}), Error);
  EXPECT_THROW(ref::silu_mul({t.f({2, 3}), t.f({2, 3}), t.b({2, 3})}, {}), Error);
  EXPECT_THROW(ref::rmsnorm({t.f({2, 3}), t.b({4}), 0, t.f({2, 3})}, {}), Error);
  EXPECT_THROW(ref::layernorm({t.f({2, 3}), t.b({3}), t.b({2}), 0, t.f({2, 3})}, {}), Error);
  EXPECT_THROW(ref::linear({t.f({2, 3}), t.w(4, 5), {}, t.f({2, 4})}, {}), Error);
  EXPECT_THROW(ref::linear({t.f({2, 3}), t.w(4, 3), t.b({3}), t.f({2, 4})}, {}), Error);
  EXPECT_THROW(ref::embedding({t.i({2}, 7), t.w(7, 3), t.f({2, 3})}, {}), Error);  // id 7 of 7
  EXPECT_THROW(ref::embedding({t.i({2}, -1), t.w(7, 3), t.f({2, 3})}, {}), Error);
  EXPECT_THROW(ref::splice({t.i({1}, 5), t.f({1, 3}), t.f({5, 3})}, {}), Error);  // row 5 of 5
  EXPECT_THROW(
      ref::mrope({t.f({2, 1, 6}), t.f({2, 4}), t.f({2, 4}), Pairing::half_split, Rounding::hf, t.f({2, 1, 6})}, {}),
      Error);
  EXPECT_THROW(ref::kv_write({t.f({1, 1, 4}), t.f({1, 1, 4}), t.i({1}, 8), t.f({2, 4, 1, 4}), t.f({2, 4, 1, 4})}, {}),
               Error);
  EXPECT_THROW(ref::rope_table({t.i({3, 2}), t.f({4}), t.i({4}, 3), t.f({2, 4}), t.f({2, 4})}, {}), Error);
  EXPECT_THROW(
      ref::pos_embed_taps({t.i({2, 1}, 2), t.i({2, 1}, 2), 3, t.i({1, 4}), t.i({1, 4}), t.f({1, 4}), t.f({1, 4})}, {}),
      Error);
  EXPECT_THROW(ref::sample({t.f({2, 3}), t.i({3})}, {}), Error);
  const TensorView nan = t.f({1, 2});
  static_cast<float*>(nan.data)[0] = 1, static_cast<float*>(nan.data)[1] = NAN;
  const TensorView id = t.i({1});
  ref::sample({nan, id}, {});
  EXPECT_EQ(*static_cast<int32_t*>(id.data), -1);
}

TEST(Contracts, AttentionAndExperts) {
  Tensors t;
  AttentionArgs a;
  a.q = t.f({3, 4, 8});
  a.kv = {t.f({1, 2, 2, 8}), t.f({1, 2, 2, 8}), t.i({1, 1}), t.i({1}, 2)};
  a.cu_seqlens = t.i({2});
  static_cast<int32_t*>(const_cast<void*>(a.cu_seqlens.data))[1] = 3;
  a.out = t.f({3, 4, 8});
  EXPECT_THROW(ref::attention(a, {}), Error);  // causal, three queries on two keys
  a.mask = Mask::full;
  EXPECT_NO_THROW(ref::attention(a, {}));
  a.kv.page_table = t.i({1, 1}, 1);
  EXPECT_THROW(ref::attention(a, {}), Error);  // page 1 of 1
  a.kv.k_pages = t.f({1, 2, 3, 8});
  EXPECT_THROW(ref::attention(a, {}), Error);  // four heads on three

  std::vector<Weight> gate(2, t.w(6, 8)), down(2, t.w(8, 6));
  MoeExpertsArgs m{t.f({1, 8}), t.i({1, 2}, 2), t.f({1, 2}), {gate.data(), gate.data(), down.data(), 2},
                   t.f({1, 8}), Rounding::hf};
  EXPECT_THROW(ref::moe_experts(m, {}), Error);  // expert 2 of 2
  MoeRouteArgs r;
  r.x = t.f({1, 8});
  r.gate = t.w(4, 8);
  r.correction_bias = t.f({4});
  r.logits = t.f({1, 4});
  r.ids = t.i({1, 3});
  r.weights = t.f({1, 3});
  r.n_group = 2;
  EXPECT_THROW(ref::moe_route(r, {}), Error);  // three experts out of one group of two
  r.n_group = 1;
  r.forced_ids = t.i({1, 3}, 1);
  EXPECT_THROW(ref::moe_route(r, {}), Error);  // one expert three times
}

TEST(Backends, NamesAndTables) {
  EXPECT_EQ(&find_backend("cpu"), &cpu_backend());
  try {
    find_backend("cuda9");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::no_device);
    EXPECT_NE(std::string(e.what()).find("cpu"), std::string::npos);
  }
}

/// Two builds of one source must not share a function, or a test of the one would be a test of the other. Rungs of one
/// build may.
TEST(Backends, BuildsShareNoFunction) {
  std::map<void (*)(), std::pair<Space, bool>> build_of;
  for (const Backend* b : linked_backends()) {
    const std::pair build(b->space, b->emulated);
    b->ops.for_each([&](const char* op, const auto& entry) {
      if (!entry) return;
      const auto [at, is_new] = build_of.emplace(reinterpret_cast<void (*)()>(entry.run), build);
      EXPECT_TRUE(is_new || at->second == build) << op << " of " << b->name;
    });
  }
  EXPECT_GE(build_of.size(), 2u * 18u);
}

}  // namespace
}  // namespace glmv
