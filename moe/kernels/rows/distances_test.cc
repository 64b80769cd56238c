#include "moe/kernels/rows/distances.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/kernels/testing/row_shapes.h"

namespace moe::kernels {
namespace {

using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::kernels::testing::OnScalar;
using ::moe::kernels::testing::RowShape;
using ::moe::kernels::testing::RowShapes;
using ::moe::kernels::testing::TestMatrix;
using ::testing::ValuesIn;

using DistancesTest = ::moe::kernels::testing::KernelTest;

TEST_P(DistancesTest, HaveTheScalarBits) {
  for (const RowShape& s : RowShapes()) {
    for (const int64_t num_centres : {1, 8, 33}) {
      SCOPED_TRACE(s);
      TestMatrix tokens(s.rows, s.cols, s.misalignment, s.padding);
      TestMatrix centres(num_centres, s.cols, 0, 1);
      tokens.Fill("tokens");
      centres.Fill("centres");
      TestMatrix l2(s.rows, num_centres, 1, 1), cosine(s.rows, num_centres);
      TestMatrix want_l2 = l2, want_cosine = cosine;
      SquaredL2Distances(tokens.view(), centres.view(), l2.view(), pool());
      CosineDistances(tokens.view(), centres.view(), cosine.view(), pool());
      std::vector<double> norms(static_cast<size_t>(s.rows)), want_norms(norms);
      SquaredNorms(tokens.view(), absl::MakeSpan(norms), pool());
      OnScalar([&](base::ThreadPool& one) {
        SquaredL2Distances(tokens.view(), centres.view(), want_l2.view(), one);
        CosineDistances(tokens.view(), centres.view(), want_cosine.view(), one);
        SquaredNorms(tokens.view(), absl::MakeSpan(want_norms), one);
      });
      EXPECT_TRUE(BitsEqual(l2, want_l2));
      EXPECT_TRUE(BitsEqual(cosine, want_cosine));
      EXPECT_TRUE(BitsEqual<double>(norms, want_norms));
      EXPECT_TRUE(l2.PaddingIsUntouched());
    }
  }
}

TEST_P(DistancesTest, Golden) {
  TestMatrix tokens(30, 131), centres(9, 131), out(30, 9);
  tokens.Fill("tokens");
  centres.Fill("centres");
  SquaredL2Distances(tokens.view(), centres.view(), out.view(), pool());
  EXPECT_EQ(Digest<float>(out.Values()), "e2dbfac7b9425c62");
  CosineDistances(tokens.view(), centres.view(), out.view(), pool());
  EXPECT_EQ(Digest<float>(out.Values()), "8889c5f4b276c738");
}

INSTANTIATE_TEST_SUITE_P(All, DistancesTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

TEST(DistancesMathTest, AreTheFormulas) {
  TestMatrix tokens(20, 300), centres(5, 300), l2(20, 5), cosine(20, 5);
  tokens.Fill("tokens");
  centres.Fill("centres");
  base::ThreadPool pool(2);
  SquaredL2Distances(tokens.view(), centres.view(), l2.view(), pool);
  CosineDistances(tokens.view(), centres.view(), cosine.view(), pool);
  for (int64_t t = 0; t < 20; ++t) {
    for (int64_t e = 0; e < 5; ++e) {
      double sum = 0.0, dot = 0.0, xx = 0.0, cc = 0.0;
      for (size_t i = 0; i < 300; ++i) {
        const double x = tokens.view().Row(t)[i];
        const double c = centres.view().Row(e)[i];
        sum += (x - c) * (x - c);
        dot += x * c;
        xx += x * x;
        cc += c * c;
      }
      EXPECT_NEAR(l2.view().Row(t)[static_cast<size_t>(e)], sum, 3e-7 * sum);
      EXPECT_NEAR(cosine.view().Row(t)[static_cast<size_t>(e)],
                  1.0 - dot / std::sqrt(xx * cc), 1e-6);
    }
  }
}

TEST(DistancesMathTest, ToItselfAndToNothing) {
  TestMatrix tokens(2, 100), out(2, 2);
  tokens.Fill("tokens");
  for (float& value : tokens.view().Row(1)) value = 0.0f;
  base::ThreadPool pool(1);
  SquaredL2Distances(tokens.view(), tokens.view(), out.view(), pool);
  EXPECT_GE(out.view().Row(0)[0], 0.0f);
  EXPECT_NEAR(out.view().Row(0)[0], 0.0f, 1e-5);
  EXPECT_EQ(out.view().Row(1)[1], 0.0f);
  CosineDistances(tokens.view(), tokens.view(), out.view(), pool);
  EXPECT_NEAR(out.view().Row(0)[0], 0.0f, 1e-6);
  EXPECT_EQ(out.view().Row(0)[1], 1.0f);
  EXPECT_EQ(out.view().Row(1)[1], 1.0f);
}

}  // namespace
}  // namespace moe::kernels
