#include "moe/model/aten/testing/aten_tensors.h"

#include <ATen/core/Dict.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "moe/base/check.h"

namespace moe::model::testing {

at::Tensor ToTensor(const std::vector<float>& values,
                    const std::vector<int64_t>& shape) {
  at::Tensor tensor = at::empty(shape, c10::kFloat);
  MOE_CHECK(tensor.numel() == static_cast<int64_t>(values.size()));
  std::copy(values.begin(), values.end(), tensor.data_ptr<float>());
  return tensor;
}

std::vector<float> ToVector(const at::Tensor& tensor) {
  const at::Tensor rows = tensor.contiguous();
  const float* const data = rows.data_ptr<float>();
  return std::vector<float>(data, data + rows.numel());
}

void ExpectClose(const std::vector<float>& got, const std::vector<double>& want,
                 double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], tolerance * (1 + std::fabs(want[i]))) << i;
  }
}

}  // namespace moe::model::testing
