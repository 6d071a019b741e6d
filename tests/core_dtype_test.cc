// The small float types over all their bit patterns, against formulas that share nothing with the code: a value is
// (-1)^s * m * 2^e computed in double, rounding is a search for the nearest value in a sorted list.
#include "reference/core/dtype.h"
#include "reference/core/rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace {

using glmv::bf16;
using glmv::DType;
using glmv::f16;
using glmv::f8e4m3;

/// What a format is made of, as its definition states it.
template <class T>
struct Layout;
template <>
struct Layout<bf16> {
  static constexpr int total = 16, mantissa = 7, bias = 127;
  static constexpr bool has_infinity = true;
};
template <>
struct Layout<f16> {
  static constexpr int total = 16, mantissa = 10, bias = 15;
  static constexpr bool has_infinity = true;
};
template <>
struct Layout<f8e4m3> {
  static constexpr int total = 8, mantissa = 3, bias = 7;
  static constexpr bool has_infinity = false;
};

template <class T>
T from_bits(unsigned bits) {
  T x;
  x.bits = static_cast<decltype(x.bits)>(bits);
  return x;
}

template <class T>
constexpr unsigned sign_bit() {
  return 1u << (Layout<T>::total - 1);
}

/// The value of a pattern by the definition of the format.
template <class T>
double value_of(unsigned bits) {
  using L = Layout<T>;
  const unsigned magnitude = bits & (sign_bit<T>() - 1);
  const int exponent = static_cast<int>(magnitude >> L::mantissa);
  const int fraction = static_cast<int>(magnitude & ((1u << L::mantissa) - 1));
  const int top = (1 << (L::total - 1 - L::mantissa)) - 1;
  double value =
      std::ldexp(fraction + (exponent > 0 ? 1 << L::mantissa : 0), std::max(exponent, 1) - L::bias - L::mantissa);
  if (L::has_infinity && exponent == top) value = fraction == 0 ? INFINITY : NAN;
  if (!L::has_infinity && magnitude == sign_bit<T>() - 1) value = NAN;
  return bits & sign_bit<T>() ? -value : value;
}

/// Finite non-negative values in ascending order; a pattern's index in the list is the pattern.
template <class T>
std::vector<double> finite_values() {
  std::vector<double> values;
  for (unsigned bits = 0; bits < sign_bit<T>() && std::isfinite(value_of<T>(bits)); ++bits)
    values.push_back(value_of<T>(bits));
  return values;
}

/// The pattern nearest to x >= 0, ties to the even pattern. One more step above the largest value counts as infinity
/// (or, without one, saturates).
template <class T>
unsigned nearest(const std::vector<double>& values, double x) {
  const auto largest = static_cast<unsigned>(values.size() - 1);
  const double step = values[largest] - values[largest - 1];
  if (x >= values[largest]) {
    const bool beyond = x > values[largest] + step / 2 || (x == values[largest] + step / 2 && largest % 2 == 1);
    return beyond && Layout<T>::has_infinity ? largest + 1 : largest;
  }
  const auto above = static_cast<unsigned>(std::upper_bound(values.begin(), values.end(), x) - values.begin());
  const unsigned below = above - 1;
  const double down = x - values[below], up = values[above] - x;
  if (down != up) return down < up ? below : above;
  return below % 2 == 0 ? below : above;
}

template <class T>
void expect_rounds(const std::vector<double>& values, float x) {
  const unsigned want = nearest<T>(values, std::fabs(static_cast<double>(x))) | (std::signbit(x) ? sign_bit<T>() : 0u);
  ASSERT_EQ(static_cast<unsigned>(T(x).bits), want) << "rounding " << std::hexfloat << x;
}

template <class T>
class SmallFloat : public ::testing::Test {};
using SmallFloats = ::testing::Types<bf16, f16, f8e4m3>;
TYPED_TEST_SUITE(SmallFloat, SmallFloats);

TYPED_TEST(SmallFloat, EveryPatternWidensToItsValue) {
  using T = TypeParam;
  for (unsigned bits = 0; bits < 2 * sign_bit<T>(); ++bits) {
    const auto got = static_cast<float>(from_bits<T>(bits));
    const double want = value_of<T>(bits);
    ASSERT_EQ(std::isnan(got), std::isnan(want)) << bits;
    if (std::isnan(want)) continue;
    ASSERT_EQ(static_cast<double>(got), want) << bits;
    ASSERT_EQ(std::signbit(got), (bits & sign_bit<T>()) != 0) << bits;
  }
}

TYPED_TEST(SmallFloat, EveryPatternSurvivesTheRoundTrip) {
  using T = TypeParam;
  for (unsigned bits = 0; bits < 2 * sign_bit<T>(); ++bits) {
    const auto wide = static_cast<float>(from_bits<T>(bits));
    if (std::isnan(wide)) {
      ASSERT_TRUE(std::isnan(static_cast<float>(T(wide)))) << bits;
    } else {
      ASSERT_EQ(static_cast<unsigned>(T(wide).bits), bits);
    }
  }
}

/// Between any two neighbours: the middle, and the floats on either side of the middle and of both ends.
TYPED_TEST(SmallFloat, EveryGapRoundsToNearestEven) {
  using T = TypeParam;
  const std::vector<double> values = finite_values<T>();
  for (size_t i = 0; i + 1 < values.size(); ++i) {
    const auto low = static_cast<float>(values[i]), high = static_cast<float>(values[i + 1]);
    const auto middle = static_cast<float>((values[i] + values[i + 1]) / 2);
    for (float x : {low, middle, high}) {
      for (float y : {std::nextafterf(x, -INFINITY), x, std::nextafterf(x, INFINITY)}) {
        expect_rounds<T>(values, y);
        expect_rounds<T>(values, -y);
      }
    }
  }
}

/// A walk over all floats in steps that share no factor with a power of two.
TYPED_TEST(SmallFloat, FloatsAllOverTheRangeRoundToNearestEven) {
  using T = TypeParam;
  const std::vector<double> values = finite_values<T>();
  for (uint64_t bits = 0; bits < 0x7f800000u; bits += 4099) {
    const float x = glmv::detail::float_of(static_cast<uint32_t>(bits));
    expect_rounds<T>(values, x);
    expect_rounds<T>(values, -x);
  }
}

TYPED_TEST(SmallFloat, OverflowAndInfinity) {
  using T = TypeParam;
  const std::vector<double> values = finite_values<T>();
  const auto largest = static_cast<unsigned>(values.size() - 1);
  const double step = values[largest] - values[largest - 1];
  const auto half = static_cast<float>(values[largest] + step / 2);
  for (float x : {half, std::nextafterf(half, 0), std::nextafterf(half, INFINITY), std::numeric_limits<float>::max()}) {
    expect_rounds<T>(values, x);
    expect_rounds<T>(values, -x);
  }
  const unsigned want = Layout<T>::has_infinity ? largest + 1 : largest;
  EXPECT_EQ(static_cast<unsigned>(T(INFINITY).bits), want);
  EXPECT_EQ(static_cast<unsigned>(T(-INFINITY).bits), want | sign_bit<T>());
}

/// Every NaN stays one, with its sign; none becomes an infinity because its payload lies in the bits that are cut.
TYPED_TEST(SmallFloat, NanStaysNan) {
  using T = TypeParam;
  for (uint32_t payload = 1; payload < 0x800000u; payload = payload * 2 + 1) {
    for (uint32_t sign : {0u, 0x80000000u}) {
      for (uint32_t p : {payload, 0x800000u - payload}) {
        const T x(glmv::detail::float_of(sign | 0x7f800000u | p));
        EXPECT_TRUE(std::isnan(static_cast<float>(x))) << p;
        EXPECT_EQ((x.bits & sign_bit<T>()) != 0, sign != 0) << p;
      }
    }
  }
}

TYPED_TEST(SmallFloat, UlpIsTheDistanceToTheNextValue) {
  using T = TypeParam;
  const std::vector<double> values = finite_values<T>();
  for (size_t i = 0; i + 1 < values.size(); ++i) {
    const double gap = values[i + 1] - values[i], inside = values[i] + gap / 4;
    ASSERT_EQ(glmv::ulp_at(glmv::DTypeOf<T>::value, values[i]), gap) << i;
    ASSERT_EQ(glmv::ulp_at(glmv::DTypeOf<T>::value, -inside), gap) << i;
  }
}

TEST(DType, UlpOfTheHardwareTypes) {
  for (double x : {0.0, 1.0, -1.5, 3e-39, 1e-45, 1e-30, 6e4, 3e38, 0.1, 1.1754943508222875e-38}) {
    const auto f = static_cast<float>(std::fabs(x));
    const double next = static_cast<double>(std::nextafterf(f, INFINITY)) - static_cast<double>(f);
    EXPECT_EQ(glmv::ulp_at(DType::f32, x), next) << x;
  }
  for (double x : {0.0, 1.0, -1.5, 5e-324, 1e-310, 1e-300, 1e300, 0.1}) {
    EXPECT_EQ(glmv::ulp_at(DType::f64, x), std::nextafter(std::fabs(x), INFINITY) - std::fabs(x)) << x;
  }
  EXPECT_EQ(glmv::ulp_at(DType::i64, 3), 0);
}

TEST(DType, RoundToGoesThroughTheStorageType) {
  const float x = 1.0f + 0x1p-9f;
  EXPECT_EQ(glmv::round_to(DType::f32, x), x);
  EXPECT_EQ(glmv::round_to(DType::bf16, x), 1.0f);
  EXPECT_EQ(glmv::round_to(DType::f16, x), x);
  EXPECT_EQ(glmv::round_to(DType::f8e4m3, 1.07f), 1.125f);
  EXPECT_EQ(glmv::round_to(DType::f64, 0.1), 0.1);
  EXPECT_EQ(glmv::round_to(DType::f32, 0.1), static_cast<double>(0.1f));
}

/// Eight at a time or one by one: the same bits, NaNs and infinities too.
TEST(DType, RowsRoundAsSingleValues) {
  for (const uint32_t low : {0x0000u, 0x0001u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
    std::vector<float> row;
    for (uint32_t high = 0; high <= 0xffff; ++high) row.push_back(glmv::detail::float_of(high << 16 | low));
    row.push_back(1.00390625f);  // a rest behind the whole vectors
    for (const DType t : {DType::bf16, DType::f16, DType::f32}) {
      std::vector<float> rounded = row;
      round_row(t, rounded.data(), static_cast<int64_t>(rounded.size()));
      int64_t different = 0;
      for (size_t i = 0; i < row.size(); ++i)
        different += glmv::detail::bits_of(rounded[i]) != glmv::detail::bits_of(round_to(t, row[i])) ? 1 : 0;
      EXPECT_EQ(different, 0) << name_of(t) << " with low bits " << low;
    }
  }
}

TEST(DType, SizesAndNames) {
  EXPECT_EQ(glmv::size_of(DType::f64) + glmv::size_of(DType::f32) + glmv::size_of(DType::f16), 14u);
  EXPECT_EQ(glmv::size_of(DType::bf16), sizeof(bf16));
  EXPECT_EQ(glmv::size_of(DType::f8e4m3), sizeof(f8e4m3));
  EXPECT_STREQ(glmv::name_of(DType::f8e4m3), "f8e4m3");
}

}  // namespace
