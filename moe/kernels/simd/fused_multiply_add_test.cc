// Every target's multiply-add against std::fma, where a second rounding would
// show.

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "moe/base/philox.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/kernels/simd/highway_targets.h"
#include "moe/kernels/simd/simd_target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "moe/kernels/simd/fused_multiply_add_test.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "moe/kernels/simd/fused_multiply_add-inl.h"

HWY_BEFORE_NAMESPACE();
namespace moe::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// out[i] = a[i] b[i] + c[i]; the size is a multiple of 16.
template <class D, typename T = hn::TFromD<D>>
void FmaArraysOf(D d, const T* a, const T* b, const T* c, size_t size, T* out) {
  for (size_t i = 0; i < size; i += hn::Lanes(d)) {
    hn::StoreU(
        Fma(d, hn::LoadU(d, a + i), hn::LoadU(d, b + i), hn::LoadU(d, c + i)),
        d, out + i);
  }
}

void FmaArrays(const float* a, const float* b, const float* c, size_t size,
               float* out) {
  FmaArraysOf(hn::CappedTag<float, 16>(), a, b, c, size, out);
}

void FmaDoubleArrays(const double* a, const double* b, const double* c,
                     size_t size, double* out) {
  FmaArraysOf(hn::CappedTag<double, 8>(), a, b, c, size, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace moe::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moe::kernels {
namespace {

HWY_EXPORT(FmaArrays);
HWY_EXPORT(FmaDoubleArrays);

struct Triples {
  std::vector<float> a, b, c;
  void Add(float x, float y, float z) {
    a.push_back(x);
    b.push_back(y);
    c.push_back(z);
  }
};

void ExpectFused(Triples triples) {
  while (triples.a.size() % 16 != 0) triples.Add(0.0f, 0.0f, 0.0f);
  std::vector<float> out(triples.a.size());
  for (const SimdTarget target : SupportedSimdTargets()) {
    if (target == SimdTarget::kScalar) continue;
    MOE_ASSERT_OK(SetSimdTarget(target));
    HWY_DYNAMIC_DISPATCH(FmaArrays)
    (triples.a.data(), triples.b.data(), triples.c.data(), out.size(),
     out.data());
    for (size_t i = 0; i < out.size(); ++i) {
      const float want = std::fma(triples.a[i], triples.b[i], triples.c[i]);
      if (std::isnan(want)) {
        EXPECT_TRUE(std::isnan(out[i]));
        continue;
      }
      EXPECT_EQ(std::bit_cast<uint32_t>(out[i]), std::bit_cast<uint32_t>(want))
          << SimdTargetName(target) << ": " << triples.a[i] << " * "
          << triples.b[i] << " + " << triples.c[i] << " gave " << out[i]
          << ", want " << want;
    }
  }
}

// With all exponents and signs.
TEST(FusedMultiplyAddTest, RandomBits) {
  base::RandomStream stream(1, "fused_multiply_add_test/bits");
  Triples triples;
  for (int i = 0; i < 200000; ++i) {
    triples.Add(std::bit_cast<float>(stream.NextUint32()),
                std::bit_cast<float>(stream.NextUint32()),
                std::bit_cast<float>(stream.NextUint32()));
  }
  ExpectFused(triples);
}

// c close to a b, so that digits cancel, and close to half a unit of the sum,
// so that a product or sum that was rounded before falls on the other side.
TEST(FusedMultiplyAddTest, CancellationAndTies) {
  base::RandomStream stream(1, "fused_multiply_add_test/ties");
  Triples triples;
  for (int i = 0; i < 100000; ++i) {
    const float a = stream.UniformSymmetric(4.0f);
    const float b = stream.UniformSymmetric(4.0f);
    const float product = a * b;
    triples.Add(a, b, -product);
    triples.Add(a, b, std::nextafter(-product, 0.0f));
    triples.Add(a, b, product * 0x1p24f);
    triples.Add(a, b, product * -0x1.000002p24f);
    // 1 + 2^-24 + tiny: the double sum is a tie for float, the exact one is
    // not.
    triples.Add(1.0f + 0x1p-23f, 0x1p-24f * a, 1.0f);
    triples.Add(std::ldexp(a, -60), b, 1.0f + 0x1p-23f);
  }
  triples.Add(0x1p-24f, 1.0f, 1.0f);
  triples.Add(0x1.000002p-24f, 0x1.fffffep-1f, 1.0f);
  ExpectFused(triples);
}

TEST(FusedMultiplyAddTest, SpecialValues) {
  const std::array<float, 14> values = {0.0f,
                                        -0.0f,
                                        1.0f,
                                        -1.0f,
                                        0x1p-149f,
                                        -0x1p-149f,
                                        0x1p-126f,
                                        0x1.8p-75f,
                                        0x1.fffffep127f,
                                        -0x1.fffffep127f,
                                        0x1p64f,
                                        INFINITY,
                                        -INFINITY,
                                        NAN};
  Triples triples;
  for (const float a : values) {
    for (const float b : values) {
      for (const float c : values) triples.Add(a, b, c);
    }
  }
  ExpectFused(triples);
}

// With all exponents and signs, and with c close to -a b, so that digits
// cancel.
TEST(FusedMultiplyAddTest, Doubles) {
  constexpr size_t kSize = 32768;
  base::RandomStream stream(1, "fused_multiply_add_test/doubles");
  std::vector<double> a(kSize), b(kSize), c(kSize), out(kSize);
  for (size_t i = 0; i < kSize; ++i) {
    a[i] = std::bit_cast<double>(stream.NextUint64());
    b[i] = std::bit_cast<double>(stream.NextUint64());
    c[i] = i % 2 == 0 ? std::bit_cast<double>(stream.NextUint64())
                      : std::nextafter(-a[i] * b[i], 0.0);
  }
  for (const SimdTarget target : SupportedSimdTargets()) {
    if (target == SimdTarget::kScalar) continue;
    MOE_ASSERT_OK(SetSimdTarget(target));
    HWY_DYNAMIC_DISPATCH(FmaDoubleArrays)
    (a.data(), b.data(), c.data(), kSize, out.data());
    for (size_t i = 0; i < kSize; ++i) {
      const double want = std::fma(a[i], b[i], c[i]);
      if (std::isnan(want)) {
        EXPECT_TRUE(std::isnan(out[i]));
        continue;
      }
      EXPECT_EQ(std::bit_cast<uint64_t>(out[i]), std::bit_cast<uint64_t>(want))
          << SimdTargetName(target) << ": " << a[i] << " * " << b[i] << " + "
          << c[i];
    }
  }
}

}  // namespace
}  // namespace moe::kernels
#endif  // HWY_ONCE
