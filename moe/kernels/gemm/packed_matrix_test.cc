#include "moe/kernels/gemm/packed_matrix.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/half_types.h"
#include "moe/kernels/testing/kernel_test.h"

namespace moe::kernels {
namespace {

using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::testing::ValuesIn;

using PackedMatrixTest = ::moe::kernels::testing::KernelTest;

constexpr int64_t kBlock = PackedMatrix::kDepthBlock;
constexpr int64_t kCols = PackedMatrix::kPanelCols;

// Element [k, n] of the packed operand.
float At(const PackedMatrix& packed, int64_t k, int64_t n) {
  return packed.Panel(k / kBlock, n / kCols)[k % kBlock * kCols + n % kCols];
}

struct TypeCase {
  WeightType type;
  int bytes;
};
constexpr TypeCase kTypes[] = {{WeightType::kFloat32, 4},
                               {WeightType::kBFloat16, 2},
                               {WeightType::kFloat16, 2}};

float Decode(const std::string& bytes, size_t i, const TypeCase& type) {
  if (type.type == WeightType::kFloat32) {
    float value;
    std::memcpy(&value, bytes.data() + 4 * i, 4);
    return value;
  }
  const uint16_t bits = LoadUint16(bytes.data() + 2 * i);
  return type.type == WeightType::kBFloat16 ? BFloat16ToFloat(bits)
                                            : Float16ToFloat(bits);
}

// Any bits but those of NaN, which arithmetic may change.
std::string RandomWeights(int64_t size, const TypeCase& type) {
  base::RandomStream stream(1, "packed_matrix_test");
  std::string bytes;
  while (bytes.size() < static_cast<size_t>(size * type.bytes)) {
    const uint32_t bits = stream.NextUint32();
    std::string value(reinterpret_cast<const char*>(&bits),
                      static_cast<size_t>(type.bytes));
    if (Decode(value, 0, type) == Decode(value, 0, type)) bytes += value;
  }
  return bytes;
}

// Every element is where Gemm looks for it, with its exact value, and past the
// last output there are zeros; for data that starts at an odd address.
TEST_P(PackedMatrixTest, HoldsEveryElement) {
  for (const TypeCase& type : kTypes) {
    for (const int64_t rows : {1, 16, 31, 32, 33, 300}) {
      for (const int64_t cols : {1, 15, 16, 255, 256, 257, 600}) {
        SCOPED_TRACE(absl::StrCat(rows, " x ", cols, ", ", type.bytes));
        const int64_t stride = cols + 3;
        const std::string weights = RandomWeights(rows * stride, type);
        const std::string unaligned = " " + weights;
        const WeightView view(unaligned.data() + 1, type.type, rows, cols,
                              stride);
        const PackedMatrix plain = PackedMatrix::Pack(view, pool());
        const PackedMatrix transposed =
            PackedMatrix::PackTransposed(view, pool());
        ASSERT_EQ(plain.depth(), cols);
        ASSERT_EQ(plain.num_outputs(), rows);
        ASSERT_EQ(transposed.depth(), rows);
        ASSERT_EQ(transposed.num_outputs(), cols);
        int num_wrong = 0;
        for (int64_t r = 0; r < rows; ++r) {
          for (int64_t c = 0; c < cols; ++c) {
            const auto want = std::bit_cast<uint32_t>(
                Decode(weights, static_cast<size_t>(r * stride + c), type));
            num_wrong += std::bit_cast<uint32_t>(At(plain, c, r)) != want;
            num_wrong += std::bit_cast<uint32_t>(At(transposed, r, c)) != want;
          }
        }
        for (int64_t n = rows; n % kCols != 0; ++n) {
          for (int64_t k = 0; k < cols; ++k) num_wrong += At(plain, k, n) != 0;
        }
        for (int64_t n = cols; n % kCols != 0; ++n) {
          for (int64_t k = 0; k < rows; ++k) {
            num_wrong += At(transposed, k, n) != 0;
          }
        }
        EXPECT_EQ(num_wrong, 0);
      }
    }
  }
}

TEST_P(PackedMatrixTest, Empty) {
  const WeightView no_rows(nullptr, WeightType::kBFloat16, 0, 5);
  EXPECT_EQ(PackedMatrix::Pack(no_rows, pool()).size_bytes(), 0);
  EXPECT_EQ(PackedMatrix::PackTransposed(no_rows, pool()).num_outputs(), 5);
}

INSTANTIATE_TEST_SUITE_P(All, PackedMatrixTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

}  // namespace
}  // namespace moe::kernels
