// What the tests of all kernels share: the machines to run on, numbers to run
// over, and bits to compare.

#ifndef MOE_KERNELS_TESTING_KERNEL_TEST_H_
#define MOE_KERNELS_TESTING_KERNEL_TEST_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/philox.h"
#include "moe/base/sha256.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/simd/simd_target.h"

namespace moe::kernels::testing {

// A SIMD target that this machine has, and a number of threads.
struct KernelMachine {
  SimdTarget target;
  int num_threads;
};

inline std::vector<KernelMachine> KernelMachines() {
  std::vector<KernelMachine> machines;
  for (const SimdTarget target : SupportedSimdTargets()) {
    for (const int num_threads : {1, 2, 3, 7}) {
      machines.push_back({target, num_threads});
    }
  }
  return machines;
}

// Each target once, and each number of threads once: for what takes long and is
// made of kernels that have been held to all.
inline std::vector<KernelMachine> FewKernelMachines() {
  std::vector<KernelMachine> machines;
  for (const SimdTarget target : SupportedSimdTargets()) {
    machines.push_back({target, 2});
  }
  for (const int num_threads : {1, 3, 7}) {
    machines.push_back({SupportedSimdTargets().front(), num_threads});
  }
  return machines;
}

inline std::string KernelMachineName(
    const ::testing::TestParamInfo<KernelMachine>& info) {
  return absl::StrCat(SimdTargetName(info.param.target), "_",
                      info.param.num_threads, "_threads");
}

// Runs on each of KernelMachines():
//   using GemmTest = KernelTest;
//   TEST_P(GemmTest, ...) { ... pool() ... }
//   INSTANTIATE_TEST_SUITE_P(All, GemmTest, ValuesIn(KernelMachines()),
//                            KernelMachineName);
class KernelTest : public ::testing::TestWithParam<KernelMachine> {
 protected:
  KernelTest() : pool_(GetParam().num_threads) {
    MOE_CHECK(SetSimdTarget(GetParam().target).ok());
  }
  ~KernelTest() override {
    MOE_CHECK(SetSimdTarget(SupportedSimdTargets().front()).ok());
  }
  base::ThreadPool& pool() { return pool_; }

 private:
  base::ThreadPool pool_;
};

// Runs `compute(pool)` without vectors and on one thread: what every machine is
// held to. Leaves the target as it was.
template <typename Function>
void OnScalar(Function compute) {
  const SimdTarget before = ActiveSimdTarget();
  MOE_CHECK(SetSimdTarget(SimdTarget::kScalar).ok());
  base::ThreadPool pool(1);
  compute(pool);
  MOE_CHECK(SetSimdTarget(before).ok());
}

// A matrix of floats whose first element lies `misalignment` floats after a
// cache line's border, with rows `padding` floats apart more than they are
// long. What lies between rows is NaN, so that a kernel that reads it is found,
// and must stay as it is, which PaddingIsUntouched tells.
class TestMatrix {
 public:
  TestMatrix(int64_t rows, int64_t cols, int64_t misalignment = 0,
             int64_t padding = 0)
      : rows_(rows),
        cols_(cols),
        stride_(cols + padding),
        storage_(static_cast<size_t>(rows * stride_ + misalignment + kLine),
                 Filler()) {
    const auto address = reinterpret_cast<uintptr_t>(storage_.data());
    const uintptr_t aligned = (address + 63) / 64 * 64;
    offset_ =
        (aligned - address) / sizeof(float) + static_cast<size_t>(misalignment);
    for (int64_t r = 0; r < rows; ++r) {
      for (float& value : view().Row(r)) value = 0.0f;
    }
  }

  base::MatrixView<float> view() {
    return base::MatrixView<float>(storage_.data() + offset_, rows_, cols_,
                                   stride_);
  }
  base::MatrixView<const float> view() const {
    return base::MatrixView<const float>(storage_.data() + offset_, rows_,
                                         cols_, stride_);
  }

  // Numbers of magnitude up to `scale`, with a few zeros of both signs and a
  // few tiny ones among them.
  TestMatrix& Fill(absl::string_view name, float scale = 1.0f) {
    base::RandomStream stream(/*seed=*/1, name);
    for (int64_t r = 0; r < rows_; ++r) {
      for (float& value : view().Row(r)) {
        value = stream.UniformSymmetric(scale);
        const uint32_t kind = stream.NextUint32() % 64;
        if (kind == 0) value = 0.0f;
        if (kind == 1) value = -0.0f;
        if (kind == 2) value *= 0x1p-100f;
      }
    }
    return *this;
  }

  // The rows, without what lies between.
  std::vector<float> Values() const {
    std::vector<float> values;
    for (int64_t r = 0; r < rows_; ++r) {
      const absl::Span<const float> row = view().Row(r);
      values.insert(values.end(), row.begin(), row.end());
    }
    return values;
  }

  bool PaddingIsUntouched() const {
    std::vector<float> copy = storage_;
    for (int64_t r = 0; r < rows_; ++r) {
      for (int64_t c = 0; c < cols_; ++c) {
        copy[offset_ + static_cast<size_t>(r * stride_ + c)] = Filler();
      }
    }
    for (const float value : copy) {
      if (std::bit_cast<uint32_t>(value) != std::bit_cast<uint32_t>(Filler())) {
        return false;
      }
    }
    return true;
  }

 private:
  static constexpr int64_t kLine = 32;
  static float Filler() { return std::bit_cast<float>(0x7fc0dead); }

  int64_t rows_;
  int64_t cols_;
  int64_t stride_;
  std::vector<float> storage_;
  size_t offset_ = 0;
};

// Whether two sequences are the same to the bit; the first difference
// otherwise.
template <typename T>
::testing::AssertionResult BitsEqual(absl::Span<const T> got,
                                     absl::Span<const T> want) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (got.size() != want.size()) {
    return ::testing::AssertionFailure()
           << "got " << got.size() << " values, want " << want.size();
  }
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::memcmp(&got[i], &want[i], sizeof(T)) != 0) {
      return ::testing::AssertionFailure()
             << "at " << i << " of " << got.size() << ": got " << got[i]
             << ", want " << want[i];
    }
  }
  return ::testing::AssertionSuccess();
}

inline ::testing::AssertionResult BitsEqual(const TestMatrix& got,
                                            const TestMatrix& want) {
  const std::vector<float> got_values = got.Values();
  const std::vector<float> want_values = want.Values();
  return BitsEqual<float>(got_values, want_values);
}

// The first 16 hexadecimal digits of the SHA-256 of the values' bytes: what a
// golden test pins. The same on every machine.
template <typename T>
std::string Digest(absl::Span<const T> values) {
  static_assert(std::is_trivially_copyable_v<T>);
  return base::HexSha256Of(
             absl::string_view(reinterpret_cast<const char*>(values.data()),
                               values.size() * sizeof(T)))
      .substr(0, 16);
}

}  // namespace moe::kernels::testing

#endif  // MOE_KERNELS_TESTING_KERNEL_TEST_H_
