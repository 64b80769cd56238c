#include "moe/kernels/sums/chunk_kernels.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/kernels/testing/kernel_test.h"

namespace moe::kernels {
namespace {

using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::kernels::testing::TestMatrix;
using ::testing::ValuesIn;

using ChunkKernelsTest = ::moe::kernels::testing::KernelTest;

constexpr double kStart = 0.3;

void AddPair(double x, double* sum, double* error) {
  const double total = *sum + x;
  const double x_part = total - *sum;
  *error += (*sum - (total - x_part)) + (x - x_part);
  *sum = total;
}

std::vector<double> Want(ChunkTerm term, const TestMatrix& x,
                         const std::vector<float>& weights, int64_t stride) {
  std::vector<double> sums(static_cast<size_t>(4 * stride), kStart);
  const int64_t cols = x.view().cols;
  for (int64_t r = 0; r < x.view().rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) {
      const double value = x.view().RowData(r)[c];
      const double weight = weights[static_cast<size_t>(r)];
      double* const sum = &sums[static_cast<size_t>(c)];
      switch (term) {
        case ChunkTerm::kValue:
          *sum += value;
          break;
        case ChunkTerm::kAbsolute:
          *sum += std::fabs(value);
          break;
        case ChunkTerm::kWeighted:
          *sum += weight * value;
          break;
        case ChunkTerm::kWeightedAbsolute:
          *sum += weight * std::fabs(value);
          break;
        case ChunkTerm::kMoments:
          AddPair(value, sum, sum + stride);
          AddPair(value * value, sum + 2 * stride, sum + 3 * stride);
          break;
      }
    }
  }
  return sums;
}

TEST_P(ChunkKernelsTest, HasTheBitsOfTheObviousLoops) {
  for (const int64_t rows : {0, 1, 2, 3, 4, 5, 7, 8, 127, 128}) {
    for (const int64_t cols : {0, 1, 2, 3, 7, 8, 15, 16, 17, 33, 100}) {
      const int64_t odd = (rows + cols) % 2;
      TestMatrix x(rows, cols, odd, 3 * odd);
      x.Fill("x");
      TestMatrix w(1, rows);
      w.Fill("w", 3.0f);
      const std::vector<float> weights = w.Values();
      std::vector<const float*> pointers;
      for (int64_t r = 0; r < rows; ++r) {
        pointers.push_back(x.view().RowData(r));
      }
      const int64_t stride = cols + 2;
      for (const ChunkTerm term :
           {ChunkTerm::kValue, ChunkTerm::kAbsolute, ChunkTerm::kWeighted,
            ChunkTerm::kWeightedAbsolute, ChunkTerm::kMoments}) {
        SCOPED_TRACE(
            absl::StrCat(rows, " x ", cols, ", term ", static_cast<int>(term)));
        std::vector<double> sums(static_cast<size_t>(4 * stride), kStart);
        AddChunkRows(term, {pointers.data(), weights.data(), rows, cols},
                     sums.data(), stride);
        EXPECT_TRUE(BitsEqual<double>(sums, Want(term, x, weights, stride)));
      }
    }
  }
}

// 1 is lost beside 2^60, and kept in the error.
TEST_P(ChunkKernelsTest, MomentsKeepWhatADoubleLoses) {
  const std::vector<float> values = {0x1p60f, 1.0f, -0x1p60f};
  std::vector<const float*> pointers;
  for (const float& value : values) pointers.push_back(&value);
  std::vector<double> sums(4, 0.0);
  AddChunkRows(ChunkTerm::kMoments, {pointers.data(), nullptr, 3, 1},
               sums.data(), 1);
  EXPECT_EQ(sums[0], 0.0);
  EXPECT_EQ(sums[1], 1.0);
  EXPECT_EQ(sums[2], 0x1p121);
  EXPECT_EQ(sums[3], 1.0);
}

INSTANTIATE_TEST_SUITE_P(All, ChunkKernelsTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

}  // namespace
}  // namespace moe::kernels
