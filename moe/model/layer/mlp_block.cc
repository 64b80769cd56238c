#include "moe/model/layer/mlp_block.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/rows/gathered_rows.h"
#include "moe/kernels/rows/rms_norm.h"
#include "moe/kernels/rows/swiglu.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/expert_routing.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/layer/linear.h"

namespace moe::model {
namespace {

// The MLP of a layer over a batch. `input` is m.
class MlpPass {
 public:
  MlpPass(const DecoderLayer& layer, const LayerBatch& batch,
          base::MatrixView<const float> input, const LayerTaps& taps,
          base::ThreadPool& pool)
      : layer_(layer),
        batch_(batch),
        weights_(*layer.weights),
        input_(input),
        taps_(taps),
        pool_(pool) {}

  // `what` is the name of the activation in messages.
  absl::Status EveryToken(absl::string_view what,
                          base::MatrixView<float> output) const {
    const int64_t most_rows = std::min(layer_.blocks.mlp_rows, input_.rows);
    ActivationBuffers buffers(weights_.mlp, most_rows);
    for (int64_t begin = 0; begin < input_.rows; begin += most_rows) {
      const int64_t end = std::min(begin + most_rows, input_.rows);
      const base::MatrixView<const float> m = input_.Rows(begin, end);
      const base::MatrixView<float> a =
          MlpActivation(weights_.mlp, m, buffers, pool_);
      MOE_RETURN_IF_ERROR(CheckActivation(batch_, what, a, begin, pool_));
      if (taps_.features) {
        MOE_RETURN_IF_ERROR(
            taps_.features({.first_row = begin, .features = a}));
      }
      ApplyLinear(weights_.mlp.down, a, output.Rows(begin, end), pool_);
    }
    return absl::OkStatus();
  }

  absl::Status Experts(base::MatrixView<float> output) const {
    const Linear& router = weights_.mlp_experts.router;
    base::Matrix<float> logits(input_.rows, router.num_outputs());
    ApplyLinear(router, input_, logits.view(), pool_);
    MOE_RETURN_IF_ERROR(
        CheckActivation(batch_, "router logits", logits.view(), 0, pool_));
    const std::vector<ExpertTokens> experts =
        RouteTokens(layer_.mlp_routing, logits.view(), pool_);
    if (taps_.routing) {
      MOE_RETURN_IF_ERROR(taps_.routing(DecoderBlock::kMlp, experts));
    }
    ClearRows(output, pool_);
    ExpertBuffers buffers(weights_.mlp_experts.experts.front(), input_.cols,
                          MostRows(experts, layer_.blocks.expert_rows));
    for (size_t e = 0; e < experts.size(); ++e) {
      MOE_RETURN_IF_ERROR(AddExpert(e, experts[e], buffers, output));
    }
    return absl::OkStatus();
  }

 private:
  struct ExpertBuffers {
    ExpertBuffers(const MlpWeights& weights, int64_t hidden_size, int64_t rows)
        : input(rows, hidden_size),
          activation(weights, rows),
          output(rows, hidden_size) {}
    base::Matrix<float> input;
    ActivationBuffers activation;
    base::Matrix<float> output;
  };

  absl::Status AddExpert(size_t expert, const ExpertTokens& chosen,
                         ExpertBuffers& buffers,
                         base::MatrixView<float> output) const {
    const MlpWeights& weights = weights_.mlp_experts.experts[expert];
    const std::string what = absl::StrCat("MLP activation of expert ", expert);
    return ForEachEvenBlock(
        static_cast<int64_t>(chosen.rows.size()), layer_.blocks.expert_rows,
        [&](int64_t begin, int64_t end) -> absl::Status {
          const auto first = static_cast<size_t>(begin);
          const auto count = static_cast<size_t>(end - begin);
          const auto rows =
              absl::MakeConstSpan(chosen.rows).subspan(first, count);
          const base::MatrixView<float> m =
              buffers.input.view().Rows(0, end - begin);
          kernels::GatherRows(input_, rows, m, pool_);
          const base::MatrixView<float> a =
              MlpActivation(weights, m, buffers.activation, pool_);
          const auto routing =
              absl::MakeConstSpan(chosen.weights).subspan(first, count);
          MOE_RETURN_IF_ERROR(CheckActivation(batch_, what, a, rows, pool_));
          if (taps_.features) {
            MOE_RETURN_IF_ERROR(
                taps_.features({.expert = static_cast<int64_t>(expert),
                                .rows = rows,
                                .weights = routing,
                                .features = a}));
          }
          const base::MatrixView<float> y =
              buffers.output.view().Rows(0, end - begin);
          ApplyLinear(weights.down, a, y, pool_);
          kernels::AddWeightedRows(y, rows, routing, output, pool_);
          return absl::OkStatus();
        });
  }

  const DecoderLayer& layer_;
  const LayerBatch& batch_;
  const DecoderLayerWeights& weights_;
  const base::MatrixView<const float> input_;
  const LayerTaps& taps_;
  base::ThreadPool& pool_;
};

}  // namespace

base::MatrixView<float> MlpActivation(const MlpWeights& weights,
                                      base::MatrixView<const float> m,
                                      ActivationBuffers& buffers,
                                      base::ThreadPool& pool) {
  const base::MatrixView<float> gate = buffers.gate.view().Rows(0, m.rows);
  const base::MatrixView<float> up = buffers.up.view().Rows(0, m.rows);
  ApplyLinear(weights.gate, m, gate, pool);
  ApplyLinear(weights.up, m, up, pool);
  kernels::SwiGlu(gate, up, gate, pool);
  return gate;
}

absl::Status MlpBlockForward(const DecoderLayer& layer, const LayerBatch& batch,
                             const LayerTaps& taps, const BlockOutput& out,
                             base::ThreadPool& pool) {
  const DecoderLayerWeights& weights = *layer.weights;
  MOE_CHECK(
      base::SameShape(batch.hidden, out.output) &&
      (!weights.has_residual() || base::SameShape(batch.hidden, out.residual)));
  base::Matrix<float> input(batch.hidden.rows, batch.hidden.cols);
  kernels::RmsNorm(batch.hidden, weights.post_attention_norm,
                   static_cast<float>(layer.config->rms_norm_eps), input.view(),
                   pool);
  if (taps.mlp_input) MOE_RETURN_IF_ERROR(taps.mlp_input(input.view()));
  const MlpPass pass(layer, batch, input.view(), taps, pool);
  if (weights.mlp_experts.empty()) {
    return pass.EveryToken("MLP activation", out.output);
  }
  MOE_RETURN_IF_ERROR(pass.Experts(out.output));
  if (!weights.has_residual()) return absl::OkStatus();
  return pass.EveryToken("MLP activation of the residual expert", out.residual);
}

}  // namespace moe::model
