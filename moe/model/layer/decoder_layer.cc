#include "moe/model/layer/decoder_layer.h"

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/kernels/rows/elementwise.h"
#include "moe/kernels/rows/rms_norm.h"
#include "moe/kernels/rows/rope.h"
#include "moe/kernels/rows/swiglu.h"
#include "moe/model/layer/attention.h"
#include "moe/model/layer/attention_block.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/layer/linear.h"
#include "moe/model/layer/mlp_block.h"

namespace moe::model {
namespace {

void CheckBatch(const DecoderLayer& layer, const LayerBatch& batch) {
  const absl::Span<const int64_t> offsets = batch.offsets;
  MOE_CHECK(batch.hidden.cols == layer.config->hidden_size);
  MOE_CHECK(!offsets.empty() && offsets.front() == 0 &&
            offsets.back() == batch.hidden.rows &&
            std::is_sorted(offsets.begin(), offsets.end()));
  MOE_CHECK(layer.blocks.query_rows > 0 && layer.blocks.mlp_rows > 0 &&
            layer.blocks.expert_rows > 0);
}

// The backward of a dense layer over a batch.
class BackwardPass {
 public:
  BackwardPass(const DecoderLayer& layer, const LayerBatch& batch,
               base::ThreadPool& pool)
      : layer_(layer),
        batch_(batch),
        config_(*layer.config),
        weights_(*layer.weights),
        tokens_(AllTokens(batch.offsets)),
        hidden_(batch.hidden),
        epsilon_(static_cast<float>(config_.rms_norm_eps)),
        pool_(pool) {
    MOE_CHECK(weights_.attention_experts.empty() &&
              weights_.mlp_experts.empty());
  }

  absl::Status Run(const LayerGradients& gradients) const;

 private:
  int64_t num_tokens() const { return hidden_.rows; }
  base::Matrix<float> NewHidden() const {
    return base::Matrix<float>(num_tokens(), config_.hidden_size);
  }
  AttentionInputs Inputs(const AttentionProjections& projections) const {
    return InputsOf(LayerAttentionShape(config_), tokens_, projections);
  }
  // `x` begins with row `first_row` of the batch.
  absl::Status CheckFinite(absl::string_view what,
                           base::MatrixView<const float> x,
                           int64_t first_row) const {
    return CheckActivation(batch_, what, x, first_row, pool_);
  }

  absl::Status Mlp(base::MatrixView<const float> h,
                   const LayerGradients& gradients,
                   base::MatrixView<float> dh) const;
  // The buffers for a block of the MLP's rows.
  struct MlpBuffers {
    MlpBuffers(const checkpoint::LlamaConfig& config, int64_t rows)
        : m(rows, config.hidden_size),
          gate(rows, config.intermediate_size),
          up(rows, config.intermediate_size),
          d_activation(rows, config.intermediate_size) {}
    base::Matrix<float> m, gate, up, d_activation;
  };
  absl::Status MlpBlock(base::MatrixView<const float> h, int64_t begin,
                        const LayerGradients& gradients, MlpBuffers& buffers,
                        base::MatrixView<float> dh) const;
  void Attention(const AttentionProjections& projections,
                 const AttentionForward& attention,
                 base::MatrixView<const float> dh,
                 base::MatrixView<float> d_norm) const;

  const DecoderLayer& layer_;
  const LayerBatch& batch_;
  const checkpoint::LlamaConfig& config_;
  const DecoderLayerWeights& weights_;
  const AttentionTokens tokens_;
  const base::MatrixView<const float> hidden_;
  const float epsilon_;
  base::ThreadPool& pool_;
};

// For rows [begin, begin + h.rows): dh = dy + (the MLP's part).
absl::Status BackwardPass::MlpBlock(base::MatrixView<const float> h,
                                    int64_t begin,
                                    const LayerGradients& gradients,
                                    MlpBuffers& buffers,
                                    base::MatrixView<float> dh) const {
  const base::MatrixView<const float> dy =
      gradients.dy.Rows(begin, begin + h.rows);
  const base::MatrixView<float> m = buffers.m.view().Rows(0, h.rows);
  const base::MatrixView<float> gate = buffers.gate.view().Rows(0, h.rows);
  const base::MatrixView<float> up = buffers.up.view().Rows(0, h.rows);
  const base::MatrixView<float> d_activation =
      buffers.d_activation.view().Rows(0, h.rows);
  kernels::RmsNorm(h, weights_.post_attention_norm, epsilon_, m, pool_);
  ApplyLinear(weights_.mlp.gate, m, gate, pool_);
  ApplyLinear(weights_.mlp.up, m, up, pool_);
  ApplyLinearBackward(weights_.mlp.down, dy, d_activation, pool_);
  MOE_RETURN_IF_ERROR(
      CheckFinite("gradient of the MLP activation", d_activation, begin));
  if (gradients.tap) {
    base::Matrix<float> activation(h.rows, config_.intermediate_size);
    kernels::SwiGlu(gate, up, activation.view(), pool_);
    MOE_RETURN_IF_ERROR(
        CheckFinite("MLP activation", activation.view(), begin));
    MOE_RETURN_IF_ERROR(
        gradients.tap({begin, m, activation.view()}, d_activation));
  }
  kernels::SwiGluBackward(gate, up, d_activation, gate, up, pool_);
  ApplyLinearBackward(weights_.mlp.gate, gate, m, pool_);
  AddLinearBackward(weights_.mlp.up, up, m, pool_);
  kernels::RmsNormBackward(h, weights_.post_attention_norm, epsilon_, m, m,
                           pool_);
  kernels::ResidualAdd(dy, m, dh, pool_);
  return absl::OkStatus();
}

absl::Status BackwardPass::Mlp(base::MatrixView<const float> h,
                               const LayerGradients& gradients,
                               base::MatrixView<float> dh) const {
  const int64_t most_rows = std::min(layer_.blocks.mlp_rows, num_tokens());
  MlpBuffers buffers(config_, most_rows);
  for (int64_t begin = 0; begin < num_tokens(); begin += most_rows) {
    const int64_t end = std::min(begin + most_rows, num_tokens());
    MOE_RETURN_IF_ERROR(MlpBlock(h.Rows(begin, end), begin, gradients, buffers,
                                 dh.Rows(begin, end)));
  }
  return absl::OkStatus();
}

// The gradient with respect to the output of the first norm.
void BackwardPass::Attention(const AttentionProjections& projections,
                             const AttentionForward& attention,
                             base::MatrixView<const float> dh,
                             base::MatrixView<float> d_norm) const {
  base::Matrix<float> d_query(num_tokens(), config_.QuerySize());
  base::Matrix<float> d_key(num_tokens(), config_.KeyValueSize());
  base::Matrix<float> d_value(num_tokens(), config_.KeyValueSize());
  {
    base::Matrix<float> d_context(num_tokens(), config_.QuerySize());
    ApplyLinearBackward(weights_.attention.output, dh, d_context.view(), pool_);
    CausalAttentionBackward(Inputs(projections), attention, d_context.view(),
                            {d_query.view(), d_key.view(), d_value.view()},
                            pool_);
  }
  for (base::Matrix<float>* const x : {&d_query, &d_key}) {
    RotateTokens(layer_, batch_.offsets, tokens_,
                 kernels::RopeDirection::kInverse, x->view(), pool_);
  }
  ApplyLinearBackward(weights_.attention.query, d_query.view(), d_norm, pool_);
  AddLinearBackward(weights_.attention.key, d_key.view(), d_norm, pool_);
  AddLinearBackward(weights_.attention.value, d_value.view(), d_norm, pool_);
}

absl::Status BackwardPass::Run(const LayerGradients& gradients) const {
  MOE_CHECK(base::SameShape(hidden_, gradients.dy) &&
            base::SameShape(hidden_, gradients.dx));
  AttentionProjections projections;
  MOE_RETURN_IF_ERROR(
      ProjectAttention(layer_, batch_, tokens_, projections, pool_));
  SavedAttention computed;
  if (gradients.saved_attention == nullptr) {
    computed = Attend(Inputs(projections), layer_.blocks, pool_);
  }
  const AttentionForward attention = gradients.saved_attention == nullptr
                                         ? computed.view()
                                         : gradients.saved_attention->view();
  base::Matrix<float> h = NewHidden();
  ApplyLinear(weights_.attention.output, attention.out, h.view(), pool_);
  kernels::ResidualAdd(hidden_, h.view(), h.view(), pool_);
  MOE_RETURN_IF_ERROR(CheckFinite("hidden state after attention", h.view(), 0));
  base::Matrix<float> dh = NewHidden();
  MOE_RETURN_IF_ERROR(Mlp(h.view(), gradients, dh.view()));
  // h is no longer needed: its memory is reused.
  Attention(projections, attention, dh.view(), h.view());
  kernels::RmsNormBackward(hidden_, weights_.input_norm, epsilon_, h.view(),
                           h.view(), pool_);
  kernels::ResidualAdd(dh.view(), h.view(), gradients.dx, pool_);
  return CheckFinite("gradient of the hidden state", gradients.dx, 0);
}

// hidden = batch.hidden + (output + residual), checked to be finite.
absl::Status AddBlock(DecoderBlock block, const LayerBatch& batch,
                      const LayerTaps& taps, const BlockOutput& out,
                      base::MatrixView<float> hidden, base::ThreadPool& pool) {
  const bool is_mlp = block == DecoderBlock::kMlp;
  if (taps.block_parts) MOE_RETURN_IF_ERROR(taps.block_parts(block, out));
  if (out.residual.rows > 0) {
    kernels::ResidualAdd(out.output, out.residual, out.output, pool);
  }
  const auto& tap = is_mlp ? taps.mlp_output : taps.attention_output;
  if (tap) MOE_RETURN_IF_ERROR(tap(out.output));
  kernels::ResidualAdd(batch.hidden, out.output, hidden, pool);
  return CheckActivation(
      batch,
      is_mlp ? "hidden state after the MLP" : "hidden state after attention",
      hidden, 0, pool);
}

}  // namespace

absl::Status DecoderLayerForward(const DecoderLayer& layer,
                                 const LayerBatch& batch, const LayerTaps& taps,
                                 const LayerForward& forward,
                                 base::ThreadPool& pool) {
  CheckBatch(layer, batch);
  const auto runs = [&](LayerStage stage) {
    return forward.first <= stage && stage <= forward.last;
  };
  if (runs(LayerStage::kAttention)) {
    MOE_RETURN_IF_ERROR(AttentionBlockForward(layer, batch, taps,
                                              forward.attention.output, pool));
  }
  if (runs(LayerStage::kAddAttention)) {
    MOE_RETURN_IF_ERROR(AddBlock(DecoderBlock::kAttention, batch, taps,
                                 forward.attention, forward.hidden, pool));
  }
  const LayerBatch after_attention = {batch.offsets, forward.hidden,
                                      batch.first_sequence};
  if (runs(LayerStage::kMlp)) {
    MOE_RETURN_IF_ERROR(
        MlpBlockForward(layer, after_attention, taps, forward.mlp, pool));
  }
  if (!runs(LayerStage::kAddMlp)) return absl::OkStatus();
  return AddBlock(DecoderBlock::kMlp, after_attention, taps, forward.mlp,
                  forward.hidden, pool);
}

absl::Status DecoderLayerBackward(const DecoderLayer& layer,
                                  const LayerBatch& batch,
                                  const LayerGradients& gradients,
                                  base::ThreadPool& pool) {
  CheckBatch(layer, batch);
  return BackwardPass(layer, batch, pool).Run(gradients);
}

}  // namespace moe::model
