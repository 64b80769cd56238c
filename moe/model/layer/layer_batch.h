// A decoder layer and a batch that goes through it, as the layer's parts are
// given them, and what looks on.
//
// decoder_layer.h says what is computed; attention_block.h and mlp_block.h are
// its parts.

#ifndef MOE_MODEL_LAYER_LAYER_BATCH_H_
#define MOE_MODEL_LAYER_LAYER_BATCH_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/model/layer/attention.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/expert_routing.h"
#include "moe/model/layer/rotary_tables.h"

namespace moe {

// How many rows are worked on at once: memory against overhead. No bit depends
// on it.
struct LayerBlocks {
  int64_t query_rows = 128;   // x 816 floats for each thread (head_dim <= 256).
  int64_t mlp_rows = 256;     // x 2 I floats; backward, x (4 I + 2 H).
  int64_t expert_rows = 512;  // x 2 H floats, and 2 I of an expert.
};

// Notation as in moe/checkpoint/tensor_set.h; T rows of all sequences.
struct DecoderLayer {
  const LlamaConfig* config = nullptr;
  const DecoderLayerWeights* weights = nullptr;
  const RotaryTables* rotary = nullptr;
  LayerBlocks blocks;
  // Where the weights have experts.
  RoutingOptions attention_routing = {};
  RoutingOptions mlp_routing = {};
};

// Sequence i has the rows [offsets[i], offsets[i + 1]) of `hidden`, at
// positions 0, 1, ...; offsets start with 0, ascend, and end with T.
struct LayerBatch {
  absl::Span<const int64_t> offsets;
  MatrixView<const float> hidden;  // x [T, H].
  // What messages call the first sequence.
  int64_t first_sequence = 0;
};

// InvalidArgument if an element is NaN or infinite, which is then called
// `what`. Row i of `x` is of the batch's row first_row + i, or rows[i].
absl::Status CheckActivation(const LayerBatch& batch, absl::string_view what,
                             MatrixView<const float> x, int64_t first_row,
                             ThreadPool& pool);
absl::Status CheckActivation(const LayerBatch& batch, absl::string_view what,
                             MatrixView<const float> x,
                             absl::Span<const int64_t> rows, ThreadPool& pool);

// The two of a layer, each with a residual connection around it.
enum class DecoderBlock { kAttention, kMlp };

// What a block puts out, before it is added to the hidden state: the sum of
// two, where it has experts and a residual one beside them.
struct BlockOutput {
  MatrixView<float> output;    // [T, H]
  MatrixView<float> residual;  // [T, H], or without rows where there is none.
};

// Rows [first_row, first_row + activation.rows) of a dense MLP.
struct MlpRows {
  int64_t first_row = 0;
  MatrixView<const float> input;       // m [rows, H].
  MatrixView<const float> activation;  // a [rows, I].
};

// What looks at a forward pass, and may change what a block puts out before it
// is added. Each is called once a block, in this order. Any may be empty.
struct LayerTaps {
  // Of a block with experts: what each of them gets.
  std::function<absl::Status(DecoderBlock, const std::vector<ExpertTokens>&)>
      routing;
  std::function<absl::Status(MatrixView<const float>)> mlp_input;  // m [T, H]
  // The parts, then their sum.
  std::function<absl::Status(DecoderBlock, const BlockOutput&)> block_parts;
  std::function<absl::Status(MatrixView<float>)> attention_output;  // [T, H]
  std::function<absl::Status(MatrixView<float>)> mlp_output;        // [T, H]
  // If not null, is given what DecoderLayerBackward can take. Without experts
  // only.
  SavedAttention* saved_attention = nullptr;
};

// Calls body(begin, end) for [0, num_rows) in as few blocks of at most
// `most_rows` as there can be, about equal: a short one at the end would read
// all weights for a few rows. Ends with the first error.
template <typename Body>
absl::Status ForEachEvenBlock(int64_t num_rows, int64_t most_rows,
                              const Body& body) {
  const int64_t num_blocks = (num_rows + most_rows - 1) / most_rows;
  for (int64_t i = 0; i < num_blocks; ++i) {
    MOE_RETURN_IF_ERROR(
        body(num_rows * i / num_blocks, num_rows * (i + 1) / num_blocks));
  }
  return absl::OkStatus();
}

// The most rows that such a block has, of those that `experts` get.
inline int64_t MostRows(absl::Span<const ExpertTokens> experts,
                        int64_t most_rows) {
  int64_t most = 0;
  for (const ExpertTokens& expert : experts) {
    most = std::max(most, static_cast<int64_t>(expert.rows.size()));
  }
  return std::min(most, most_rows);
}

// Every element +0.
void ClearRows(MatrixView<float> x, ThreadPool& pool);

}  // namespace moe

#endif  // MOE_MODEL_LAYER_LAYER_BATCH_H_
