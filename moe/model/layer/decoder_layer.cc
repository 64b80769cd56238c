#include "moe/model/layer/decoder_layer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/kernels/rows/elementwise.h"
#include "moe/kernels/rows/rms_norm.h"
#include "moe/kernels/rows/rope.h"
#include "moe/kernels/rows/swiglu.h"
#include "moe/kernels/simd/matrix_view.h"
#include "moe/model/layer/activation_error.h"
#include "moe/model/layer/attention.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/float_matrix.h"
#include "moe/model/layer/linear.h"
#include "moe/model/layer/rotary_tables.h"

namespace moe {
namespace {

// What both passes have at hand.
class LayerPass {
 public:
  LayerPass(const DecoderLayer& layer, const LayerBatch& batch,
            ThreadPool& pool)
      : config_(*layer.config),
        weights_(*layer.weights),
        rotary_(*layer.rotary),
        blocks_(layer.blocks),
        offsets_(batch.offsets),
        hidden_(batch.hidden),
        first_sequence_(batch.first_sequence),
        epsilon_(static_cast<float>(config_.rms_norm_eps)),
        pool_(pool) {
    MOE_CHECK(hidden_.cols == config_.hidden_size);
    MOE_CHECK(!offsets_.empty() && offsets_.front() == 0 &&
              offsets_.back() == hidden_.rows &&
              std::is_sorted(offsets_.begin(), offsets_.end()));
    MOE_CHECK(blocks_.query_rows > 0 && blocks_.mlp_rows > 0);
  }

  absl::Status Forward(const LayerTaps& taps, MatrixView<float> y) const;
  absl::Status Backward(const LayerGradients& gradients) const;

 private:
  struct Projections {
    FloatMatrix query;  // Rotated, as the keys.
    FloatMatrix key;
    FloatMatrix value;
  };

  int64_t num_tokens() const { return hidden_.rows; }
  FloatMatrix NewHidden() const {
    return FloatMatrix(num_tokens(), config_.hidden_size);
  }

  absl::Status CheckFinite(absl::string_view what, MatrixView<const float> x,
                           int64_t first_row) const;
  void Rotate(RopeDirection direction, MatrixView<float> x) const;
  absl::Status Project(Projections& projections) const;
  AttentionInputs Inputs(const Projections& projections) const;
  // For the projections.
  SavedAttention Attend(const Projections& projections) const;

  // Calls body(begin, end) for the blocks of rows that the MLP takes at once.
  template <typename Body>
  absl::Status ForEachMlpBlock(const Body& body) const;

  absl::Status MlpForward(MatrixView<const float> input, const LayerTaps& taps,
                          MatrixView<float> output) const;
  absl::Status MlpBackward(MatrixView<const float> h,
                           const LayerGradients& gradients,
                           MatrixView<float> dh) const;
  // What one block of the MLP's backward computes in.
  struct MlpBuffers {
    MlpBuffers(const LlamaConfig& config, int64_t rows)
        : m(rows, config.hidden_size),
          gate(rows, config.intermediate_size),
          up(rows, config.intermediate_size),
          d_activation(rows, config.intermediate_size) {}
    FloatMatrix m, gate, up, d_activation;
  };
  absl::Status MlpBlockBackward(MatrixView<const float> h, int64_t begin,
                                const LayerGradients& gradients,
                                MlpBuffers& buffers,
                                MatrixView<float> dh) const;
  void AttentionBackward(const Projections& projections,
                         const AttentionForward& attention,
                         MatrixView<const float> dh,
                         MatrixView<float> d_norm) const;

  const LlamaConfig& config_;
  const DecoderLayerWeights& weights_;
  const RotaryTables& rotary_;
  const LayerBlocks blocks_;
  const absl::Span<const int64_t> offsets_;
  const MatrixView<const float> hidden_;
  const int64_t first_sequence_;
  const float epsilon_;
  ThreadPool& pool_;
};

// `x` begins with row `first_row` of the batch.
absl::Status LayerPass::CheckFinite(absl::string_view what,
                                    MatrixView<const float> x,
                                    int64_t first_row) const {
  const std::optional<MatrixPosition> bad = FindNonFinite(x, pool_);
  if (!bad.has_value()) return absl::OkStatus();
  return NonFiniteActivationError({what, offsets_, first_row + bad->row,
                                   bad->col, x.cols, first_sequence_});
}

void LayerPass::Rotate(RopeDirection direction, MatrixView<float> x) const {
  std::vector<int32_t> positions;
  for (size_t i = 0; i + 1 < offsets_.size(); ++i) {
    const int64_t length = offsets_[i + 1] - offsets_[i];
    if (length == 0) continue;
    for (auto t = static_cast<int64_t>(positions.size()); t < length; ++t) {
      positions.push_back(static_cast<int32_t>(t));
    }
    ApplyRope(rotary_.ForLength(length),
              absl::MakeConstSpan(positions).first(static_cast<size_t>(length)),
              direction, x.Rows(offsets_[i], offsets_[i + 1]), pool_);
  }
}

absl::Status LayerPass::Project(Projections& out) const {
  FloatMatrix norm = NewHidden();
  RmsNorm(hidden_, weights_.input_norm, epsilon_, norm.view(), pool_);
  out.query = FloatMatrix(num_tokens(), config_.QuerySize());
  out.key = FloatMatrix(num_tokens(), config_.KeyValueSize());
  out.value = FloatMatrix(num_tokens(), config_.KeyValueSize());
  ApplyLinear(weights_.query, norm.view(), out.query.view(), pool_);
  ApplyLinear(weights_.key, norm.view(), out.key.view(), pool_);
  ApplyLinear(weights_.value, norm.view(), out.value.view(), pool_);
  Rotate(RopeDirection::kForward, out.query.view());
  Rotate(RopeDirection::kForward, out.key.view());
  MOE_RETURN_IF_ERROR(CheckFinite("attention queries", out.query.view(), 0));
  MOE_RETURN_IF_ERROR(CheckFinite("attention keys", out.key.view(), 0));
  return CheckFinite("attention values", out.value.view(), 0);
}

AttentionInputs LayerPass::Inputs(const Projections& projections) const {
  return {LayerAttentionShape(config_), offsets_, projections.query.view(),
          projections.key.view(), projections.value.view()};
}

SavedAttention LayerPass::Attend(const Projections& projections) const {
  SavedAttention attention(LayerAttentionShape(config_), num_tokens());
  CausalAttention(Inputs(projections), attention.view(), blocks_.query_rows,
                  pool_);
  return attention;
}

template <typename Body>
absl::Status LayerPass::ForEachMlpBlock(const Body& body) const {
  for (int64_t begin = 0; begin < num_tokens(); begin += blocks_.mlp_rows) {
    MOE_RETURN_IF_ERROR(
        body(begin, std::min(begin + blocks_.mlp_rows, num_tokens())));
  }
  return absl::OkStatus();
}

absl::Status LayerPass::MlpForward(MatrixView<const float> input,
                                   const LayerTaps& taps,
                                   MatrixView<float> output) const {
  const int64_t most_rows = std::min(blocks_.mlp_rows, num_tokens());
  FloatMatrix gates(most_rows, config_.intermediate_size);
  FloatMatrix ups(most_rows, config_.intermediate_size);
  return ForEachMlpBlock([&](int64_t begin, int64_t end) -> absl::Status {
    const MatrixView<const float> m = input.Rows(begin, end);
    const MatrixView<float> gate = gates.view().Rows(0, end - begin);
    const MatrixView<float> up = ups.view().Rows(0, end - begin);
    ApplyLinear(weights_.gate, m, gate, pool_);
    ApplyLinear(weights_.up, m, up, pool_);
    SwiGlu(gate, up, gate, pool_);
    MOE_RETURN_IF_ERROR(CheckFinite("MLP activation", gate, begin));
    if (taps.mlp_rows) MOE_RETURN_IF_ERROR(taps.mlp_rows({begin, m, gate}));
    ApplyLinear(weights_.down, gate, output.Rows(begin, end), pool_);
    return absl::OkStatus();
  });
}

absl::Status LayerPass::Forward(const LayerTaps& taps,
                                MatrixView<float> y) const {
  MOE_CHECK(SameShape(hidden_, y));
  FloatMatrix block_output = NewHidden();
  {
    Projections projections;
    MOE_RETURN_IF_ERROR(Project(projections));
    SavedAttention attention = Attend(projections);
    ApplyLinear(weights_.output, attention.out.view(), block_output.view(),
                pool_);
    if (taps.saved_attention != nullptr) {
      *taps.saved_attention = std::move(attention);
    }
  }
  if (taps.attention_output) {
    MOE_RETURN_IF_ERROR(taps.attention_output(block_output.view()));
  }
  ResidualAdd(hidden_, block_output.view(), y, pool_);
  MOE_RETURN_IF_ERROR(CheckFinite("hidden state after attention", y, 0));
  FloatMatrix mlp_input = NewHidden();
  RmsNorm(y, weights_.post_attention_norm, epsilon_, mlp_input.view(), pool_);
  if (taps.mlp_input) {
    MOE_RETURN_IF_ERROR(taps.mlp_input(mlp_input.view()));
  }
  MOE_RETURN_IF_ERROR(MlpForward(mlp_input.view(), taps, block_output.view()));
  if (taps.mlp_output) {
    MOE_RETURN_IF_ERROR(taps.mlp_output(block_output.view()));
  }
  ResidualAdd(y, block_output.view(), y, pool_);
  return CheckFinite("hidden state after the MLP", y, 0);
}

// Rows [begin, begin + h.rows): dh = dy + (the MLP's part).
absl::Status LayerPass::MlpBlockBackward(MatrixView<const float> h,
                                         int64_t begin,
                                         const LayerGradients& gradients,
                                         MlpBuffers& buffers,
                                         MatrixView<float> dh) const {
  const MatrixView<const float> dy = gradients.dy.Rows(begin, begin + h.rows);
  const MatrixView<float> m = buffers.m.view().Rows(0, h.rows);
  const MatrixView<float> gate = buffers.gate.view().Rows(0, h.rows);
  const MatrixView<float> up = buffers.up.view().Rows(0, h.rows);
  const MatrixView<float> d_activation =
      buffers.d_activation.view().Rows(0, h.rows);
  RmsNorm(h, weights_.post_attention_norm, epsilon_, m, pool_);
  ApplyLinear(weights_.gate, m, gate, pool_);
  ApplyLinear(weights_.up, m, up, pool_);
  ApplyLinearBackward(weights_.down, dy, d_activation, pool_);
  MOE_RETURN_IF_ERROR(
      CheckFinite("gradient of the MLP activation", d_activation, begin));
  if (gradients.tap) {
    FloatMatrix activation(h.rows, config_.intermediate_size);
    SwiGlu(gate, up, activation.view(), pool_);
    MOE_RETURN_IF_ERROR(
        CheckFinite("MLP activation", activation.view(), begin));
    MOE_RETURN_IF_ERROR(
        gradients.tap({begin, m, activation.view()}, d_activation));
  }
  SwiGluBackward(gate, up, d_activation, gate, up, pool_);
  ApplyLinearBackward(weights_.gate, gate, m, pool_);
  AddLinearBackward(weights_.up, up, m, pool_);
  RmsNormBackward(h, weights_.post_attention_norm, epsilon_, m, m, pool_);
  ResidualAdd(dy, m, dh, pool_);
  return absl::OkStatus();
}

absl::Status LayerPass::MlpBackward(MatrixView<const float> h,
                                    const LayerGradients& gradients,
                                    MatrixView<float> dh) const {
  MlpBuffers buffers(config_, std::min(blocks_.mlp_rows, num_tokens()));
  return ForEachMlpBlock([&](int64_t begin, int64_t end) {
    return MlpBlockBackward(h.Rows(begin, end), begin, gradients, buffers,
                            dh.Rows(begin, end));
  });
}

// The gradient with respect to the output of the first norm.
void LayerPass::AttentionBackward(const Projections& projections,
                                  const AttentionForward& attention,
                                  MatrixView<const float> dh,
                                  MatrixView<float> d_norm) const {
  FloatMatrix d_query(num_tokens(), config_.QuerySize());
  FloatMatrix d_key(num_tokens(), config_.KeyValueSize());
  FloatMatrix d_value(num_tokens(), config_.KeyValueSize());
  {
    FloatMatrix d_context(num_tokens(), config_.QuerySize());
    ApplyLinearBackward(weights_.output, dh, d_context.view(), pool_);
    CausalAttentionBackward(Inputs(projections), attention, d_context.view(),
                            {d_query.view(), d_key.view(), d_value.view()},
                            pool_);
  }
  Rotate(RopeDirection::kInverse, d_query.view());
  Rotate(RopeDirection::kInverse, d_key.view());
  ApplyLinearBackward(weights_.query, d_query.view(), d_norm, pool_);
  AddLinearBackward(weights_.key, d_key.view(), d_norm, pool_);
  AddLinearBackward(weights_.value, d_value.view(), d_norm, pool_);
}

absl::Status LayerPass::Backward(const LayerGradients& gradients) const {
  MOE_CHECK(SameShape(hidden_, gradients.dy) &&
            SameShape(hidden_, gradients.dx));
  Projections projections;
  MOE_RETURN_IF_ERROR(Project(projections));
  SavedAttention computed;
  if (gradients.saved_attention == nullptr) computed = Attend(projections);
  const AttentionForward attention = gradients.saved_attention == nullptr
                                         ? computed.view()
                                         : gradients.saved_attention->view();
  FloatMatrix h = NewHidden();
  ApplyLinear(weights_.output, attention.out, h.view(), pool_);
  ResidualAdd(hidden_, h.view(), h.view(), pool_);
  MOE_RETURN_IF_ERROR(CheckFinite("hidden state after attention", h.view(), 0));
  FloatMatrix dh = NewHidden();
  MOE_RETURN_IF_ERROR(MlpBackward(h.view(), gradients, dh.view()));
  // h has served.
  AttentionBackward(projections, attention, dh.view(), h.view());
  RmsNormBackward(hidden_, weights_.input_norm, epsilon_, h.view(), h.view(),
                  pool_);
  ResidualAdd(dh.view(), h.view(), gradients.dx, pool_);
  return CheckFinite("gradient of the hidden state", gradients.dx, 0);
}

}  // namespace

AttentionShape LayerAttentionShape(const LlamaConfig& config) {
  return {config.num_attention_heads, config.num_key_value_heads,
          config.head_dim};
}

absl::Status DecoderLayerForward(const DecoderLayer& layer,
                                 const LayerBatch& batch, const LayerTaps& taps,
                                 MatrixView<float> y, ThreadPool& pool) {
  return LayerPass(layer, batch, pool).Forward(taps, y);
}

absl::Status DecoderLayerBackward(const DecoderLayer& layer,
                                  const LayerBatch& batch,
                                  const LayerGradients& gradients,
                                  ThreadPool& pool) {
  return LayerPass(layer, batch, pool).Backward(gradients);
}

}  // namespace moe
