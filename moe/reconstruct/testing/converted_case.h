// Conversions of dense fixtures, for tests of what comes after one.

#ifndef MOE_RECONSTRUCT_TESTING_CONVERTED_CASE_H_
#define MOE_RECONSTRUCT_TESTING_CONVERTED_CASE_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "moe/convert/mlp_options.pb.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::reconstruct::testing {

// Weights in F32: 3 layers, hidden size 64, 160 neurons.
inline constexpr char kDenseF32[] = "testdata/llama_mha_f32_sharded";
// Weights in BF16: 4 layers, hidden size 128, 384 neurons.
inline constexpr char kDenseBf16[] = "testdata/llama_gqa_bf16";

struct ConvertedCase {
  std::string dense = kDenseF32;
  // With 32 neurons for every token.
  bool residual = true;
  int64_t num_experts = 4;
  int64_t top_k = 2;
  double scale_factor = 2.0;
  int64_t num_contract = 0;
  // All logits of the routers are 0.
  bool flat = false;
};

// Converts the MLPs to `to`, a new directory. Neurons in their order; routers
// drawn, the same every time.
void WriteConverted(const ConvertedCase& c, const std::string& to);

// Sequences of 2 to 48 ids of the fixtures' vocabulary, the same every time.
text::TokenSequences DrawnSequences(int64_t num_sequences = 24);

}  // namespace moe::reconstruct::testing

#endif  // MOE_RECONSTRUCT_TESTING_CONVERTED_CASE_H_
