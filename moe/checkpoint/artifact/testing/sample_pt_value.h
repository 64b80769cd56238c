// A value of a .pt file that has something of everything, for tests.

#ifndef MOE_CHECKPOINT_ARTIFACT_TESTING_SAMPLE_PT_VALUE_H_
#define MOE_CHECKPOINT_ARTIFACT_TESTING_SAMPLE_PT_VALUE_H_

#include <cstdint>
#include <string>
#include <utility>

#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint::testing {

// Nested dictionaries and lists, and a small tensor of every dtype.
inline PtValue SamplePtValue() {
  PtDict inner;
  inner.Add("residual", {PtInts{1, -5, 70000, int64_t{1} << 40}});
  inner.Add(int64_t{0}, {PtInts()});
  PtDict dict;
  dict.Add(int64_t{1}, {std::move(inner)});
  dict.Add(int64_t{0}, {PtList{{PtInts{2}}, {0.5}, {int64_t{7}}}});
  int64_t key = 2;
  for (const Dtype dtype :
       {Dtype::kF64, Dtype::kF32, Dtype::kF16, Dtype::kBF16, Dtype::kI64,
        Dtype::kI32, Dtype::kI16, Dtype::kI8, Dtype::kU8, Dtype::kBool}) {
    HostTensor tensor;
    tensor.dtype = dtype;
    tensor.shape = {2, 1};
    tensor.bytes.assign(static_cast<size_t>(2 * DtypeSize(dtype)), '\1');
    dict.Add(key++, {std::move(tensor)});
  }
  dict.Add("scalar", {HostTensor{Dtype::kF32, {}, std::string(4, '\2')}});
  dict.Add("empty", {HostTensor{Dtype::kF32, {0, 3}, ""}});
  return {std::move(dict)};
}

}  // namespace moe::checkpoint::testing

#endif  // MOE_CHECKPOINT_ARTIFACT_TESTING_SAMPLE_PT_VALUE_H_
