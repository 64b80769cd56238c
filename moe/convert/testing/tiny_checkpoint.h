// Small dense checkpoints of any shape, and checkpoints read whole, for tests
// of conversions.

#ifndef MOE_CONVERT_TESTING_TINY_CHECKPOINT_H_
#define MOE_CONVERT_TESTING_TINY_CHECKPOINT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"

namespace moe::convert::testing {

struct TinyModel {
  int64_t num_layers = 3;
  int64_t hidden_size = 16;
  int64_t intermediate_size = 24;
  int64_t num_heads = 4;
  int64_t num_key_value_heads = 2;
  int64_t head_dim = 4;
  bool attention_bias = false;
  bool mlp_bias = false;
  bool tied = false;
  checkpoint::Dtype dtype = checkpoint::Dtype::kBF16;
  // 1 has no index.
  int64_t num_shards = 1;
};

// Random weights, the same for the same names; and a tokenizer file of
// nonsense.
void WriteTinyModel(const TinyModel& model, const std::string& directory);

// An MoE checkpoint of the same sizes, with random weights that come from no
// dense one. Of `config` count the fields of the experts, where
// num_local_experts is not set 4 experts of 6, top 2, and decoder's biases; its
// head_dim where it is set.
void WriteTinyMoe(checkpoint::MoeConfig config, const TinyModel& model,
                  const std::string& directory);

// Every tensor of a checkpoint.
checkpoint::HostTensors ReadTensors(absl::string_view directory);

// Rows or columns of a matrix, or elements of a vector (axis 0), one element at
// a time: the definition of what a conversion does.
checkpoint::HostTensor Select(const checkpoint::HostTensor& from, size_t axis,
                              const std::vector<int64_t>& indices);

// Every element times 2, which is exact.
checkpoint::HostTensor Twice(checkpoint::HostTensor tensor);

// The numbers [begin, end).
std::vector<int64_t> Numbers(int64_t begin, int64_t end);

}  // namespace moe::convert::testing

#endif  // MOE_CONVERT_TESTING_TINY_CHECKPOINT_H_
