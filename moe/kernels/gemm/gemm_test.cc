#include "moe/kernels/gemm/gemm.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/gemm/testing/gemm_reference.h"
#include "moe/kernels/testing/kernel_test.h"

namespace moe::kernels {
namespace {

using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::kernels::testing::TestMatrix;
using ::testing::ValuesIn;

using GemmTest = ::moe::kernels::testing::KernelTest;

struct Shape {
  int64_t m, n, k;
};

// Empty; one; around tiles (2, 6, 14 rows; 8, 16, 32 columns), around blocks of
// k, and past a task's 224 rows and 6 panels.
std::vector<Shape> Shapes() {
  std::vector<Shape> shapes = {{0, 3, 4},     {3, 0, 4},     {3, 4, 0},
                               {1, 1, 1},     {5, 31, 7},    {13, 32, 255},
                               {14, 33, 256}, {15, 64, 257}, {29, 17, 513},
                               {64, 8, 576},  {225, 65, 40}, {3, 400, 300}};
  for (const int64_t m : {1, 2, 6, 7, 28}) {
    for (const int64_t n : {1, 7, 16, 40}) shapes.push_back({m, n, 258});
  }
  return shapes;
}

TEST_P(GemmTest, HasTheReferencesBits) {
  for (const Shape& s : Shapes()) {
    for (const int64_t odd : {0, 1}) {
      SCOPED_TRACE(absl::StrCat(s.m, " x ", s.n, " x ", s.k, ", odd ", odd));
      TestMatrix a(s.m, s.k, odd, 3 * odd);
      TestMatrix b(s.n, s.k, odd, 5 * odd);
      a.Fill("a");
      b.Fill("b");
      TestMatrix c(s.m, s.n, odd, odd), want(s.m, s.n);
      Gemm(a.view(),
           PackedMatrix::Pack(base::MatrixView<const float>(b.view()), pool()),
           c.view(), pool());
      reference::Gemm(a.view(), b.view(), want.view());
      EXPECT_TRUE(BitsEqual(c, want));
      EXPECT_TRUE(c.PaddingIsUntouched());
    }
  }
}

TEST_P(GemmTest, TransposedHasTheReferencesBits) {
  for (const Shape& s : Shapes()) {
    SCOPED_TRACE(absl::StrCat(s.m, " x ", s.n, " x ", s.k));
    TestMatrix a(s.m, s.k, 1), b(s.k, s.n, 1, 2);
    a.Fill("a");
    b.Fill("b");
    TestMatrix c(s.m, s.n), want(s.m, s.n);
    Gemm(a.view(),
         PackedMatrix::PackTransposed(base::MatrixView<const float>(b.view()),
                                      pool()),
         c.view(), pool());
    reference::GemmTransposed(a.view(), b.view(), want.view());
    EXPECT_TRUE(BitsEqual(c, want));
  }
}

TEST_P(GemmTest, ARowOfABatchIsTheRowAlone) {
  constexpr int64_t kDepth = 600;
  constexpr int64_t kOutputs = 70;
  TestMatrix a(250, kDepth), b(kOutputs, kDepth), c(250, kOutputs);
  a.Fill("a");
  b.Fill("b");
  const PackedMatrix packed =
      PackedMatrix::Pack(base::MatrixView<const float>(b.view()), pool());
  Gemm(a.view(), packed, c.view(), pool());
  for (const int64_t row : {0, 1, 13, 14, 223, 224, 249}) {
    TestMatrix alone(1, kOutputs);
    Gemm(base::MatrixView<const float>(a.view()).Rows(row, row + 1), packed,
         alone.view(), pool());
    EXPECT_TRUE(BitsEqual<float>(alone.view().Row(0), c.view().Row(row)))
        << row;
  }
}

// Products over blocks of depth, added, are the product over all of it; where
// rows lie does not matter.
TEST_P(GemmTest, PartsChainToTheWhole) {
  constexpr int64_t kDepth = 600, kOutputs = 70, kRows = 40;
  TestMatrix a(kRows, kDepth), b(kOutputs, kDepth);
  a.Fill("a");
  b.Fill("b");
  TestMatrix want(kRows, kOutputs), c(kRows, kOutputs, 0, 3);
  reference::Gemm(a.view(), b.view(), want.view());
  for (int64_t k = 0; k < kDepth; k += PackedMatrix::kDepthBlock) {
    const int64_t depth = std::min(PackedMatrix::kDepthBlock, kDepth - k);
    TestMatrix part(kRows, depth, 0, kGemmRowStride - depth);
    TestMatrix part_b(kOutputs, depth);
    for (int64_t i = 0; i < depth; ++i) {
      for (int64_t r = 0; r < kRows; ++r) {
        part.view().RowData(r)[i] = a.view().RowData(r)[k + i];
      }
      for (int64_t r = 0; r < kOutputs; ++r) {
        part_b.view().RowData(r)[i] = b.view().RowData(r)[k + i];
      }
    }
    const PackedMatrix packed = PackedMatrix::Pack(
        base::MatrixView<const float>(part_b.view()), pool());
    GemmPart(part.view(), {packed}, c.view(),
             k == 0 ? GemmOutput::kOverwrite : GemmOutput::kAdd, pool());
  }
  EXPECT_TRUE(BitsEqual(c, want));
  EXPECT_TRUE(c.PaddingIsUntouched());
}

// Outputs 64 to 88, and depth 10 to 210.
TEST_P(GemmTest, PartOfAnOperand) {
  constexpr int64_t kFirstOutput = 64, kOutputs = 25;
  constexpr int64_t kFirstDepth = 10, kDepth = 200;
  TestMatrix a(30, kDepth), b(100, 250), c(30, kOutputs), want(30, kOutputs);
  a.Fill("a");
  b.Fill("b");
  const base::MatrixView<const float> all = b.view();
  const PackedMatrix packed = PackedMatrix::Pack(all, pool());
  GemmPart(a.view(), {packed, kFirstOutput, kFirstDepth}, c.view(),
           GemmOutput::kOverwrite, pool());
  reference::Gemm(
      a.view(),
      base::MatrixView<const float>(all.RowData(kFirstOutput) + kFirstDepth,
                                    kOutputs, kDepth, all.stride),
      want.view());
  EXPECT_TRUE(BitsEqual(c, want));
  // No depth: nothing is added.
  GemmPart(base::MatrixView<const float>(a.view().data, 30, 0), {packed},
           c.view(), GemmOutput::kAdd, pool());
  EXPECT_TRUE(BitsEqual(c, want));
  GemmPart(base::MatrixView<const float>(a.view().data, 30, 0), {packed},
           c.view(), GemmOutput::kOverwrite, pool());
  EXPECT_TRUE(BitsEqual(c, TestMatrix(30, kOutputs)));
}

TEST_P(GemmTest, NanAndInfinityComeOut) {
  TestMatrix a(2, 300), b(40, 300), c(2, 40);
  a.Fill("a");
  b.Fill("b");
  a.view().Row(0)[299] = std::numeric_limits<float>::quiet_NaN();
  a.view().Row(1)[0] = std::numeric_limits<float>::infinity();
  for (float& value : b.view().Row(39)) value = 1.0f;
  Gemm(a.view(),
       PackedMatrix::Pack(base::MatrixView<const float>(b.view()), pool()),
       c.view(), pool());
  for (const float value : c.view().Row(0)) EXPECT_TRUE(std::isnan(value));
  EXPECT_EQ(c.view().Row(1)[39], std::numeric_limits<float>::infinity());
}

TEST_P(GemmTest, Golden) {
  TestMatrix a(37, 700), b(90, 700), c(37, 90);
  a.Fill("golden a");
  b.Fill("golden b");
  Gemm(a.view(),
       PackedMatrix::Pack(base::MatrixView<const float>(b.view()), pool()),
       c.view(), pool());
  EXPECT_EQ(Digest<float>(c.Values()), "b8e8f44f3730bbdb");
}

INSTANTIATE_TEST_SUITE_P(All, GemmTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

// The blocks' purpose: the error over sum |a b|, root mean square, at the depth
// of the largest model's down projection.
TEST(GemmAccuracyTest, ErrorIsUnder1e8thOfTheSumOfMagnitudes) {
  constexpr int64_t kDepth = 14336;
  TestMatrix a(40, kDepth), b(40, kDepth), c(40, 40);
  a.Fill("accuracy a");
  b.Fill("accuracy b");
  base::ThreadPool pool(2);
  Gemm(a.view(),
       PackedMatrix::Pack(base::MatrixView<const float>(b.view()), pool),
       c.view(), pool);
  double sum_of_squares = 0.0;
  for (int64_t m = 0; m < 40; ++m) {
    for (int64_t n = 0; n < 40; ++n) {
      double exact = 0.0, magnitude = 0.0;
      for (int64_t k = 0; k < kDepth; ++k) {
        const double product =
            static_cast<double>(a.view().Row(m)[k]) * b.view().Row(n)[k];
        exact += product;
        magnitude += std::fabs(product);
      }
      const double error = (c.view().Row(m)[n] - exact) / magnitude;
      sum_of_squares += error * error;
    }
  }
  const double rms = std::sqrt(sum_of_squares / (40 * 40));
  RecordProperty("rms_error_over_sum_of_magnitudes", absl::StrCat(rms));
  EXPECT_LT(rms, 1e-8);
}

}  // namespace
}  // namespace moe::kernels
