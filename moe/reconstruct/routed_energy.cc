#include "moe/reconstruct/routed_energy.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/kernels/rows/top_k.h"
#include "moe/model/layer/decoder_layer_weights.h"
#include "moe/model/layer/expert_routing.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/layer/mlp_block.h"
#include "moe/reconstruct/block_features.h"
#include "moe/reconstruct/column_norms.h"
#include "moe/reconstruct/energy_sums.h"

namespace moe::reconstruct {
namespace {

base::MatrixView<float> Column(base::Matrix<float>& matrix, int64_t column) {
  return base::MatrixView<float>(matrix.view().data + column, matrix.rows(), 1,
                                 matrix.cols());
}

// The experts of each token, [num_tokens, k].
base::Matrix<int32_t> ChoiceOf(const std::vector<model::ExpertTokens>& experts,
                               int64_t num_tokens, int64_t top_k) {
  base::Matrix<int32_t> chosen(num_tokens, top_k);
  std::vector<int64_t> filled(static_cast<size_t>(num_tokens));
  for (size_t e = 0; e < experts.size(); ++e) {
    for (const int64_t t : experts[e].rows) {
      chosen.view().RowData(t)[filled[static_cast<size_t>(t)]++] =
          static_cast<int32_t>(e);
    }
  }
  return chosen;
}

// 0, 1, ... for each token.
base::Matrix<int32_t> AllExperts(int64_t num_tokens, int64_t num_experts) {
  base::Matrix<int32_t> all(num_tokens, num_experts);
  for (int64_t t = 0; t < num_tokens; ++t) {
    for (int64_t e = 0; e < num_experts; ++e) {
      all.view().RowData(t)[e] = static_cast<int32_t>(e);
    }
  }
  return all;
}

int64_t NumExperts(const BlockLayout& layout) {
  return std::count_if(
      layout.matrices.begin(), layout.matrices.end(),
      [](const OutputMatrix& matrix) { return matrix.name.expert >= 0; });
}

}  // namespace

absl::StatusOr<std::unique_ptr<RoutedEnergySums>> RoutedEnergySums::Create(
    const checkpoint::Checkpoint& checkpoint, const BlockLayout& layout,
    const model::DecoderLayer& layer, base::ThreadPool& pool) {
  MOE_CHECK(layout.has_experts && !layer.weights->mlp_experts.empty());
  std::vector<double> norms(static_cast<size_t>(layout.num_features));
  for (const OutputMatrix& matrix : layout.matrices) {
    MOE_RETURN_IF_ERROR(ColumnNorms(
        checkpoint, matrix.name,
        absl::MakeSpan(norms).subspan(static_cast<size_t>(matrix.first_column),
                                      static_cast<size_t>(matrix.num_columns)),
        pool));
  }
  return std::unique_ptr<RoutedEnergySums>(
      new RoutedEnergySums(layout, layer, std::move(norms), pool));
}

// Norms, the activations of an expert's rows, S, and the three choices.
int64_t RoutedEnergySums::SizeBytes(const checkpoint::Checkpoint& checkpoint,
                                    const model::LayerBlocks& blocks,
                                    int64_t num_tokens) {
  constexpr auto kBytes = static_cast<int64_t>(sizeof(float));
  const checkpoint::LlamaConfig& config =
      checkpoint::DecoderConfig(checkpoint.config());
  int64_t most = 0;
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const BlockLayout layout =
        LayoutOfBlock(checkpoint, layer, model::DecoderBlock::kMlp);
    if (!layout.has_experts) continue;
    const int64_t num_experts = NumExperts(layout);
    most = std::max(most,
                    ColumnNormsBytes(config.hidden_size, layout.num_features) +
                        2 * std::min(blocks.expert_rows, num_tokens) *
                            layout.matrices.front().num_columns * kBytes +
                        5 * num_tokens * num_experts * kBytes);
  }
  return most;
}

int64_t RoutedEnergySums::num_experts() const { return NumExperts(layout_); }

absl::Span<const double> RoutedEnergySums::NormsOf(
    const OutputMatrix& matrix) const {
  return absl::MakeConstSpan(norms_).subspan(
      static_cast<size_t>(matrix.first_column),
      static_cast<size_t>(matrix.num_columns));
}

void RoutedEnergySums::Watch(const model::LayerBatch& batch,
                             absl::Span<const float> weights,
                             model::LayerTaps& taps) {
  batch_ = batch;
  weights_ = weights;
  taps.mlp_input = [this](base::MatrixView<const float> input) {
    return SumExperts(input);
  };
  taps.routing = [this](model::DecoderBlock,
                        const std::vector<model::ExpertTokens>& experts) {
    AddChoice(experts);
    return absl::OkStatus();
  };
  taps.features = [this, next = std::move(taps.features)](
                      const model::BlockFeatures& part) -> absl::Status {
    if (part.expert < 0) AddShared(part);
    return next ? next(part) : absl::OkStatus();
  };
}

// S_te for all tokens of the batch, whether they have the expert or not.
absl::Status RoutedEnergySums::SumExperts(base::MatrixView<const float> input) {
  const std::vector<model::MlpWeights>& experts =
      layer_.weights->mlp_experts.experts;
  sums_ = base::Matrix<float>(input.rows, num_experts());
  const int64_t most_rows = std::min(layer_.blocks.expert_rows, input.rows);
  model::ActivationBuffers buffers(experts.front(), most_rows);
  for (size_t e = 0; e < experts.size(); ++e) {
    const base::MatrixView<float> sums = Column(sums_, static_cast<int64_t>(e));
    const absl::Span<const double> norms = NormsOf(layout_.matrices[e]);
    const auto add = [&](int64_t begin, int64_t end) -> absl::Status {
      const base::MatrixView<float> a = model::MlpActivation(
          experts[e], input.Rows(begin, end), buffers, pool_);
      MOE_RETURN_IF_ERROR(model::CheckActivation(
          batch_, absl::StrCat("MLP activation of expert ", e), a, begin,
          pool_));
      SumEnergies(a,
                  weights_.subspan(static_cast<size_t>(begin),
                                   static_cast<size_t>(end - begin)),
                  norms, sums.Rows(begin, end), pool_);
      return absl::OkStatus();
    };
    MOE_RETURN_IF_ERROR(model::ForEachEvenBlock(input.rows, most_rows, add));
  }
  return absl::OkStatus();
}

void RoutedEnergySums::AddChoice(
    const std::vector<model::ExpertTokens>& experts) {
  const base::MatrixView<const float> sums = sums_.view();
  base::Matrix<int32_t> chosen =
      ChoiceOf(experts, sums.rows, layer_.mlp_routing.top_k);
  AddChosenEnergy(sums, chosen.view(), energy_.captured);
  kernels::TopK(sums, chosen.view(), pool_);
  AddChosenEnergy(sums, chosen.view(), energy_.oracle);
  chosen = AllExperts(sums.rows, sums.cols);
  AddChosenEnergy(sums, chosen.view(), energy_.routed);
}

void RoutedEnergySums::AddShared(const model::BlockFeatures& part) {
  base::Matrix<float> sums(part.features.rows, 1);
  SumEnergies(part.features,
              weights_.subspan(static_cast<size_t>(part.first_row),
                               static_cast<size_t>(part.features.rows)),
              NormsOf(layout_.matrices.back()), sums.view(), pool_);
  AddChosenEnergy(sums.view(), AllExperts(sums.rows(), 1).view(),
                  energy_.shared);
}

absl::StatusOr<RoutedEnergy> RoutedEnergySums::Finish() const {
  const double sum = energy_.routed + energy_.shared;
  if (std::isfinite(sum)) return energy_;
  return absl::InvalidArgumentError(absl::StrCat(
      "energy of the experts: expected a finite number, found ", sum,
      "; the activations or weights of the MLP are too large"));
}

}  // namespace moe::reconstruct
