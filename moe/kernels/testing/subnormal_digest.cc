// Prints a digest of what every kind of kernel makes of subnormal numbers, and,
// first, whether the program started with them being flushed to zero.

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "moe/base/float_environment.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/gemm.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/math/exp.h"
#include "moe/kernels/rows/elementwise.h"
#include "moe/kernels/rows/softmax.h"
#include "moe/kernels/testing/kernel_test.h"

namespace moe::kernels::testing {
namespace {

constexpr int64_t kSize = 40;

// Products of about 2^-140, sums of subnormal numbers, weights that are
// subnormal in binary16, exponentials below the smallest normal float, alone
// and in a row.
std::string DigestOfAll() {
  base::ThreadPool pool(2);
  std::vector<float> results;
  TestMatrix a(kSize, kSize), b(kSize, kSize), c(kSize, kSize);
  a.Fill("a", 0x1p-70f);
  b.Fill("b", 0x1p-70f);
  const auto keep = [&] {
    const std::vector<float> values = c.Values();
    results.insert(results.end(), values.begin(), values.end());
  };
  // First, before anything has used the pool.
  TestMatrix exponents(1, kSize);
  for (int64_t i = 0; i < kSize; ++i) {
    exponents.view().Row(0)[static_cast<size_t>(i)] =
        -88.0f - static_cast<float>(i) / 4.0f;
  }
  Exp(exponents.view().Row(0), c.view().Row(0));
  keep();
  const base::MatrixView<const float> weights = b.view();
  Gemm(a.view(), PackedMatrix::Pack(weights, pool), c.view(), pool);
  keep();
  ResidualAdd(c.view(), c.view(), c.view(), pool);
  keep();
  a.Fill("a", 100.0f);
  Softmax(a.view(), 1.0f, CausalMask(), c.view(), pool);
  keep();
  const std::vector<uint16_t> halves(kSize * kSize, 0x0011);
  Gemm(a.view(),
       PackedMatrix::Pack(
           WeightView(halves.data(), WeightType::kFloat16, kSize, kSize), pool),
       c.view(), pool);
  keep();
  return Digest<float>(results);
}

}  // namespace
}  // namespace moe::kernels::testing

int main() {
  const absl::Status environment = moe::base::CheckFloatEnvironment("start");
  std::printf("%s\n", environment.ok() ? "ok" : "flushes");
  std::printf("%s\n", moe::kernels::testing::DigestOfAll().c_str());
}
