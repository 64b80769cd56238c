#include "moe/model/layer/attention_block.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/kernels/rows/gathered_rows.h"
#include "moe/kernels/rows/rms_norm.h"
#include "moe/kernels/rows/rope.h"
#include "moe/model/layer/attention.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/expert_routing.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/layer/linear.h"

namespace moe::model {
namespace {

base::Matrix<float> NormOf(const DecoderLayer& layer, const LayerBatch& batch,
                           base::ThreadPool& pool) {
  base::Matrix<float> norm(batch.hidden.rows, batch.hidden.cols);
  kernels::RmsNorm(batch.hidden, layer.weights->input_norm,
                   static_cast<float>(layer.config->rms_norm_eps), norm.view(),
                   pool);
  return norm;
}

AttentionProjections NewProjections(const AttentionWeights& weights,
                                    int64_t rows) {
  return {base::Matrix<float>(rows, weights.query.num_outputs()),
          base::Matrix<float>(rows, weights.key.num_outputs()),
          base::Matrix<float>(rows, weights.value.num_outputs())};
}

// Fills the rows of the projections from `begin` on.
void ProjectRows(const AttentionWeights& weights,
                 base::MatrixView<const float> norm, int64_t begin,
                 AttentionProjections& out, base::ThreadPool& pool) {
  const int64_t end = begin + norm.rows;
  ApplyLinear(weights.query, norm, out.query.view().Rows(begin, end), pool);
  ApplyLinear(weights.key, norm, out.key.view().Rows(begin, end), pool);
  ApplyLinear(weights.value, norm, out.value.view().Rows(begin, end), pool);
}

void RotateProjections(const DecoderLayer& layer, const LayerBatch& batch,
                       const AttentionTokens& tokens,
                       AttentionProjections& projections,
                       base::ThreadPool& pool) {
  for (base::Matrix<float>* const x : {&projections.query, &projections.key}) {
    RotateTokens(layer, batch.offsets, tokens, kernels::RopeDirection::kForward,
                 x->view(), pool);
  }
}

// The attention experts of a layer over a batch.
class ExpertAttention {
 public:
  ExpertAttention(const DecoderLayer& layer, const LayerBatch& batch,
                  base::ThreadPool& pool)
      : layer_(layer),
        batch_(batch),
        weights_(layer.weights->attention_experts),
        norm_(NormOf(layer, batch, pool)),
        pool_(pool) {
    const auto num_experts = static_cast<int64_t>(weights_.experts.size());
    MOE_CHECK(layer.config->num_attention_heads % num_experts == 0);
    shape_ = {layer.config->num_attention_heads / num_experts,
              /*num_key_value_heads=*/1, layer.config->head_dim};
  }

  absl::Status Forward(const LayerTaps& taps, base::MatrixView<float> output) {
    MOE_CHECK(taps.saved_attention == nullptr);
    base::Matrix<float> logits(batch_.hidden.rows,
                               weights_.router.num_outputs());
    ApplyLinear(weights_.router, norm_.view(), logits.view(), pool_);
    MOE_RETURN_IF_ERROR(CheckActivation(batch_, "attention router logits",
                                        logits.view(), 0, pool_));
    const std::vector<ExpertTokens> experts =
        RouteTokens(layer_.attention_routing, logits.view(), pool_);
    if (taps.routing) {
      MOE_RETURN_IF_ERROR(taps.routing(DecoderBlock::kAttention, experts));
    }
    const int64_t most_rows = MostRows(experts, layer_.blocks.expert_rows);
    input_ = base::Matrix<float>(most_rows, batch_.hidden.cols);
    output_ = base::Matrix<float>(most_rows, batch_.hidden.cols);
    ClearRows(output, pool_);
    for (size_t e = 0; e < experts.size(); ++e) {
      if (experts[e].rows.empty()) continue;
      MOE_RETURN_IF_ERROR(AddExpert(e, experts[e], taps, output));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Project(size_t expert, absl::Span<const int64_t> rows,
                       const AttentionTokens& tokens,
                       AttentionProjections& out) {
    MOE_RETURN_IF_ERROR(ForEachBlock(
        rows.size(), [&](int64_t begin, int64_t end) -> absl::Status {
          const base::MatrixView<float> x = input_.view().Rows(0, end - begin);
          kernels::GatherRows(norm_.view(),
                              rows.subspan(static_cast<size_t>(begin),
                                           static_cast<size_t>(end - begin)),
                              x, pool_);
          ProjectRows(weights_.experts[expert], x, begin, out, pool_);
          return absl::OkStatus();
        }));
    RotateProjections(layer_, batch_, tokens, out, pool_);
    const std::string of = absl::StrCat("of attention expert ", expert);
    const auto check = [&](const char* what, const base::Matrix<float>& x) {
      return CheckActivation(batch_, absl::StrCat(what, " ", of), x.view(),
                             rows, pool_);
    };
    MOE_RETURN_IF_ERROR(check("queries", out.query));
    MOE_RETURN_IF_ERROR(check("keys", out.key));
    return check("values", out.value);
  }

  absl::Status AddExpert(size_t expert, const ExpertTokens& chosen,
                         const LayerTaps& taps,
                         base::MatrixView<float> output) {
    const auto num_rows = static_cast<int64_t>(chosen.rows.size());
    const AttentionTokens tokens = ChosenTokens(batch_.offsets, chosen.rows);
    AttentionProjections projections =
        NewProjections(weights_.experts[expert], num_rows);
    MOE_RETURN_IF_ERROR(Project(expert, chosen.rows, tokens, projections));
    const SavedAttention attention =
        Attend(InputsOf(shape_, tokens, projections), layer_.blocks, pool_);
    if (taps.features) {
      MOE_RETURN_IF_ERROR(taps.features({.block = DecoderBlock::kAttention,
                                         .expert = static_cast<int64_t>(expert),
                                         .rows = chosen.rows,
                                         .weights = chosen.weights,
                                         .features = attention.out.view()}));
    }
    return ForEachBlock(
        chosen.rows.size(), [&](int64_t begin, int64_t end) -> absl::Status {
          const auto first = static_cast<size_t>(begin);
          const auto count = static_cast<size_t>(end - begin);
          const base::MatrixView<float> y = output_.view().Rows(0, end - begin);
          ApplyLinear(weights_.experts[expert].output,
                      attention.out.view().Rows(begin, end), y, pool_);
          kernels::AddWeightedRows(
              y, absl::MakeConstSpan(chosen.rows).subspan(first, count),
              absl::MakeConstSpan(chosen.weights).subspan(first, count), output,
              pool_);
          return absl::OkStatus();
        });
  }

  template <typename Body>
  absl::Status ForEachBlock(size_t num_rows, const Body& body) const {
    return ForEachEvenBlock(static_cast<int64_t>(num_rows),
                            layer_.blocks.expert_rows, body);
  }

  const DecoderLayer& layer_;
  const LayerBatch& batch_;
  const ExpertWeights<AttentionWeights>& weights_;
  const base::Matrix<float> norm_;
  base::ThreadPool& pool_;
  AttentionShape shape_;  // The shape of an expert.
  base::Matrix<float> input_, output_;
};

}  // namespace

AttentionShape LayerAttentionShape(const checkpoint::LlamaConfig& config) {
  return {config.num_attention_heads, config.num_key_value_heads,
          config.head_dim};
}

AttentionTokens AllTokens(absl::Span<const int64_t> batch_offsets) {
  AttentionTokens tokens;
  tokens.offsets.assign(batch_offsets.begin(), batch_offsets.end());
  for (size_t i = 0; i + 1 < batch_offsets.size(); ++i) {
    for (int64_t t = 0; t < batch_offsets[i + 1] - batch_offsets[i]; ++t) {
      tokens.positions.push_back(static_cast<int32_t>(t));
    }
  }
  return tokens;
}

AttentionTokens ChosenTokens(absl::Span<const int64_t> batch_offsets,
                             absl::Span<const int64_t> rows) {
  MOE_CHECK(std::is_sorted(rows.begin(), rows.end()));
  AttentionTokens tokens;
  tokens.offsets.push_back(0);
  for (size_t i = 0; i + 1 < batch_offsets.size(); ++i) {
    while (tokens.positions.size() < rows.size() &&
           rows[tokens.positions.size()] < batch_offsets[i + 1]) {
      tokens.positions.push_back(static_cast<int32_t>(
          rows[tokens.positions.size()] - batch_offsets[i]));
    }
    tokens.offsets.push_back(static_cast<int64_t>(tokens.positions.size()));
  }
  return tokens;
}

void RotateTokens(const DecoderLayer& layer,
                  absl::Span<const int64_t> batch_offsets,
                  const AttentionTokens& tokens,
                  kernels::RopeDirection direction, base::MatrixView<float> x,
                  base::ThreadPool& pool) {
  MOE_CHECK(batch_offsets.size() == tokens.offsets.size());
  for (size_t i = 0; i + 1 < batch_offsets.size(); ++i) {
    const int64_t begin = tokens.offsets[i], end = tokens.offsets[i + 1];
    if (begin == end) continue;
    kernels::ApplyRope(
        layer.rotary->ForLength(batch_offsets[i + 1] - batch_offsets[i]),
        absl::MakeConstSpan(tokens.positions)
            .subspan(static_cast<size_t>(begin),
                     static_cast<size_t>(end - begin)),
        direction, x.Rows(begin, end), pool);
  }
}

absl::Status ProjectAttention(const DecoderLayer& layer,
                              const LayerBatch& batch,
                              const AttentionTokens& tokens,
                              AttentionProjections& projections,
                              base::ThreadPool& pool) {
  const AttentionWeights& weights = layer.weights->attention;
  const base::Matrix<float> norm = NormOf(layer, batch, pool);
  projections = NewProjections(weights, batch.hidden.rows);
  ProjectRows(weights, norm.view(), 0, projections, pool);
  RotateProjections(layer, batch, tokens, projections, pool);
  MOE_RETURN_IF_ERROR(CheckActivation(batch, "attention queries",
                                      projections.query.view(), 0, pool));
  MOE_RETURN_IF_ERROR(CheckActivation(batch, "attention keys",
                                      projections.key.view(), 0, pool));
  return CheckActivation(batch, "attention values", projections.value.view(), 0,
                         pool);
}

AttentionInputs InputsOf(const AttentionShape& shape,
                         const AttentionTokens& tokens,
                         const AttentionProjections& projections) {
  return {shape, tokens.offsets, projections.query.view(),
          projections.key.view(), projections.value.view()};
}

SavedAttention Attend(const AttentionInputs& inputs, const LayerBlocks& blocks,
                      base::ThreadPool& pool) {
  SavedAttention attention(inputs.shape, inputs.query.rows);
  CausalAttention(inputs, attention.view(), blocks.query_rows, pool);
  return attention;
}

absl::Status AttentionBlockForward(const DecoderLayer& layer,
                                   const LayerBatch& batch,
                                   const LayerTaps& taps,
                                   base::MatrixView<float> output,
                                   base::ThreadPool& pool) {
  MOE_CHECK(base::SameShape(batch.hidden, output));
  if (!layer.weights->attention_experts.empty()) {
    return ExpertAttention(layer, batch, pool).Forward(taps, output);
  }
  const AttentionTokens tokens = AllTokens(batch.offsets);
  AttentionProjections projections;
  MOE_RETURN_IF_ERROR(
      ProjectAttention(layer, batch, tokens, projections, pool));
  SavedAttention attention =
      Attend(InputsOf(LayerAttentionShape(*layer.config), tokens, projections),
             layer.blocks, pool);
  if (taps.features) {
    MOE_RETURN_IF_ERROR(taps.features(
        {.block = DecoderBlock::kAttention, .features = attention.out.view()}));
  }
  ApplyLinear(layer.weights->attention.output, attention.out.view(), output,
              pool);
  if (taps.saved_attention != nullptr) {
    *taps.saved_attention = std::move(attention);
  }
  return absl::OkStatus();
}

}  // namespace moe::model
