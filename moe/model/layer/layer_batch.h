// The arguments of the parts of a decoder layer: the layer, a batch of
// sequences, and the taps.
//
// decoder_layer.h says what is computed. attention_block.h and mlp_block.h are
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

namespace moe::model {

// The numbers of rows that are computed at once: memory against overhead. No
// bit depends on them.
struct LayerBlocks {
  int64_t query_rows = 128;   // x 816 floats for each thread (head_dim <= 256).
  int64_t mlp_rows = 256;     // x 2 I floats; backward, x (4 I + 2 H).
  int64_t expert_rows = 512;  // x 2 H floats, and 2 I of an expert.
};

// Notation as in moe/checkpoint/tensor_set.h; T rows of all sequences.
struct DecoderLayer {
  const checkpoint::LlamaConfig* config = nullptr;
  const DecoderLayerWeights* weights = nullptr;
  const RotaryTables* rotary = nullptr;
  LayerBlocks blocks;
  // For layers with experts.
  RoutingOptions attention_routing = {};
  RoutingOptions mlp_routing = {};
};

// Sequence i has the rows [offsets[i], offsets[i + 1]) of `hidden`, at
// positions 0, 1, ... Offsets start with 0, ascend, and end with T.
struct LayerBatch {
  absl::Span<const int64_t> offsets;
  base::MatrixView<const float> hidden;  // x [T, H].
  // The number of the first sequence in messages.
  int64_t first_sequence = 0;
};

// InvalidArgument if an element of the activation `what` is NaN or infinite.
// Row i of `x` belongs to row first_row + i, or rows[i], of the batch.
absl::Status CheckActivation(const LayerBatch& batch, absl::string_view what,
                             base::MatrixView<const float> x, int64_t first_row,
                             base::ThreadPool& pool);
absl::Status CheckActivation(const LayerBatch& batch, absl::string_view what,
                             base::MatrixView<const float> x,
                             absl::Span<const int64_t> rows,
                             base::ThreadPool& pool);

// The two blocks of a layer. Each has a residual connection around it.
enum class DecoderBlock { kAttention, kMlp };

// The output of a block before it is added to the hidden state: the sum of two
// parts if the block has a residual expert.
struct BlockOutput {
  base::MatrixView<float> output;    // [T, H]
  base::MatrixView<float> residual;  // [T, H], or no rows if there is none.
};

// Rows [first_row, first_row + activation.rows) of a dense MLP.
struct MlpRows {
  int64_t first_row = 0;
  base::MatrixView<const float> input;       // m [rows, H].
  base::MatrixView<const float> activation;  // a [rows, I].
};

// Inputs of a block's last product: contexts of o_proj, or activations of
// down_proj or w2. Those of some tokens, or of the tokens of an expert.
struct BlockFeatures {
  DecoderBlock block = DecoderBlock::kMlp;
  // -1: the dense block or the residual expert, which has every token.
  int64_t expert = -1;
  // The rows of the batch. Empty for expert -1: those from first_row on.
  absl::Span<const int64_t> rows = {};
  int64_t first_row = 0;
  // What the block multiplies the expert's output for each row with. Empty for
  // expert -1.
  absl::Span<const float> weights = {};
  base::MatrixView<const float> features;  // [rows, columns of the matrix]
};

// Functions that see a forward pass and may change a block's output before it
// is added. Each is called once for a block, in this order, but for `features`,
// which is called for each part. Any may be empty.
struct LayerTaps {
  // For a block with experts: the tokens of each expert.
  std::function<absl::Status(DecoderBlock, const std::vector<ExpertTokens>&)>
      routing;
  std::function<absl::Status(base::MatrixView<const float>)>
      mlp_input;  // m [T, H]
  // All features of the block, part by part.
  std::function<absl::Status(const BlockFeatures&)> features;
  // The parts, then their sum.
  std::function<absl::Status(DecoderBlock, const BlockOutput&)> block_parts;
  std::function<absl::Status(base::MatrixView<float>)>
      attention_output;                                             // [T, H]
  std::function<absl::Status(base::MatrixView<float>)> mlp_output;  // [T, H]
  // If not null, receives what DecoderLayerBackward can reuse. Only for layers
  // without experts.
  SavedAttention* saved_attention = nullptr;
};

// Calls body(begin, end) for [0, num_rows) in the fewest blocks of at most
// `most_rows`, of about equal size: a short block at the end would read all
// weights for a few rows. Returns the first error.
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

// The rows of the largest such block, over the tokens of all `experts`.
inline int64_t MostRows(absl::Span<const ExpertTokens> experts,
                        int64_t most_rows) {
  int64_t most = 0;
  for (const ExpertTokens& expert : experts) {
    most = std::max(most, static_cast<int64_t>(expert.rows.size()));
  }
  return std::min(most, most_rows);
}

// Sets every element to +0.
void ClearRows(base::MatrixView<float> x, base::ThreadPool& pool);

}  // namespace moe::model

#endif  // MOE_MODEL_LAYER_LAYER_BATCH_H_
