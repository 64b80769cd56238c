// Tensors of LibTorch in tests: from numbers, to numbers, and compared.

#ifndef MOE_MODEL_ATEN_TESTING_ATEN_TENSORS_H_
#define MOE_MODEL_ATEN_TESTING_ATEN_TENSORS_H_

#include <ATen/core/ATen_fwd.h>

#include <cstdint>
#include <vector>

namespace moe::model::testing {

// A copy, row-major, of as many values as the shape has elements.
at::Tensor ToTensor(const std::vector<float>& values,
                    const std::vector<int64_t>& shape);

// The elements of a float32 tensor of any strides, in row-major order.
std::vector<float> ToVector(const at::Tensor& tensor);

// |got - want| <= tolerance * (1 + |want|) for every element.
void ExpectClose(const std::vector<float>& got, const std::vector<double>& want,
                 double tolerance);

}  // namespace moe::model::testing

#endif  // MOE_MODEL_ATEN_TESTING_ATEN_TENSORS_H_
