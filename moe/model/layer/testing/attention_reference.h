// The attention of moe/model/layer/attention.h in double, by obvious loops.

#ifndef MOE_MODEL_LAYER_TESTING_ATTENTION_REFERENCE_H_
#define MOE_MODEL_LAYER_TESTING_ATTENTION_REFERENCE_H_

#include <cstdint>
#include <vector>

#include "moe/model/layer/attention.h"

namespace moe::model::reference {

struct AttentionInputs {
  AttentionShape shape;
  std::vector<int64_t> offsets;
  std::vector<double> query;  // Row-major, as the others.
  std::vector<double> key;
  std::vector<double> value;
};

// [num_tokens, num_heads * head_dim].
std::vector<double> CausalAttention(const AttentionInputs& inputs);

}  // namespace moe::model::reference

#endif  // MOE_MODEL_LAYER_TESTING_ATTENTION_REFERENCE_H_
