#include "moe/reconstruct/block_features.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
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
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/kernels/rows/parallel_rows.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/model/layer/layer_batch.h"

namespace moe::reconstruct {
namespace {

void AddMatrix(checkpoint::TensorKind kind, int64_t layer, int64_t expert,
               int64_t num_columns, BlockLayout& layout) {
  layout.matrices.push_back({{kind, layer, expert, /*is_bias=*/false},
                             layout.num_features,
                             num_columns});
  layout.num_features += num_columns;
}

void AddExperts(checkpoint::TensorKind kind, int64_t layer, int64_t num_experts,
                int64_t num_columns, BlockLayout& layout) {
  layout.has_experts = true;
  for (int64_t e = 0; e < num_experts; ++e) {
    AddMatrix(kind, layer, e, num_columns, layout);
  }
}

}  // namespace

BlockLayout LayoutOfBlock(const checkpoint::Checkpoint& checkpoint,
                          int64_t layer, model::DecoderBlock block) {
  const checkpoint::LlamaConfig& config =
      checkpoint::DecoderConfig(checkpoint.config());
  const checkpoint::MoeConfig* const moe = checkpoint.moe_config();
  const bool is_converted = moe != nullptr && !moe->IsContractLayer(layer);
  BlockLayout layout;
  if (block == model::DecoderBlock::kAttention) {
    if (is_converted && moe->use_attn_moe) {
      AddExperts(checkpoint::TensorKind::kOutput, layer, moe->attn_experts,
                 config.QuerySize() / moe->attn_experts, layout);
    } else {
      AddMatrix(checkpoint::TensorKind::kOutput, layer, -1, config.QuerySize(),
                layout);
    }
    return layout;
  }
  if (!is_converted || moe->num_local_experts == 0) {
    AddMatrix(moe == nullptr ? checkpoint::TensorKind::kMlpDown
                             : checkpoint::TensorKind::kContractDown,
              layer, -1, config.intermediate_size, layout);
    return layout;
  }
  AddExperts(checkpoint::TensorKind::kExpertDown, layer, moe->num_local_experts,
             moe->expert_intermediate_size, layout);
  if (moe->intermediate_size_residual.has_value()) {
    AddMatrix(checkpoint::TensorKind::kResidualDown, layer, -1,
              *moe->intermediate_size_residual, layout);
  }
  return layout;
}

int64_t OutputMatrixBytes(const checkpoint::Checkpoint& checkpoint) {
  int64_t bytes = 0;
  const int64_t num_layers =
      checkpoint::DecoderConfig(checkpoint.config()).num_hidden_layers;
  for (int64_t layer = 0; layer < num_layers; ++layer) {
    for (const model::DecoderBlock block :
         {model::DecoderBlock::kAttention, model::DecoderBlock::kMlp}) {
      for (const OutputMatrix& matrix :
           LayoutOfBlock(checkpoint, layer, block).matrices) {
        bytes += checkpoint::NumBytes(
            model::LocateWeight(checkpoint, matrix.name).tensor->spec);
      }
    }
  }
  return bytes;
}

void FeatureRows::Start(int64_t num_rows, base::ThreadPool& pool) {
  if (values_.rows() < num_rows) {
    values_ = base::Matrix<float>();  // Frees it before it grows.
    values_ = base::Matrix<float>(num_rows, layout_.num_features);
  }
  rows_ = num_rows;
  // Features for every token are written whole.
  if (layout_.has_experts)
    model::ClearRows(values_.view().Rows(0, num_rows), pool);
}

void FeatureRows::Add(const model::BlockFeatures& part,
                      base::ThreadPool& pool) {
  const auto matrix = static_cast<size_t>(
      part.expert >= 0 ? part.expert
                       : static_cast<int64_t>(layout_.matrices.size()) - 1);
  const OutputMatrix& to = layout_.matrices[matrix];
  MOE_CHECK(to.num_columns == part.features.cols);
  kernels::ParallelRows(
      part.features.rows, part.features.cols, pool,
      [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const auto at = static_cast<size_t>(i);
          const bool is_chosen = part.expert >= 0;
          const int64_t row = is_chosen ? part.rows[at] : part.first_row + i;
          const float weight = is_chosen ? part.weights[at] : 1.0f;
          const float* const from = part.features.RowData(i);
          float* const out = values_.view().RowData(row) + to.first_column;
          for (int64_t j = 0; j < to.num_columns; ++j)
            out[j] = weight * from[j];
        }
      });
}

absl::StatusOr<checkpoint::HostTensor> AddChange(
    const checkpoint::Checkpoint& checkpoint, const OutputMatrix& matrix,
    base::MatrixView<const double> change) {
  MOE_ASSIGN_OR_RETURN(checkpoint::HostTensor tensor,
                       model::ReadWeight(checkpoint, matrix.name));
  std::vector<float> values = model::ToFloats(tensor);
  for (int64_t i = 0; i < change.rows; ++i) {
    for (int64_t j = 0; j < matrix.num_columns; ++j) {
      float& value = values[static_cast<size_t>(i * matrix.num_columns + j)];
      value = static_cast<float>(value +
                                 change.RowData(i)[matrix.first_column + j]);
    }
  }
  checkpoint::FloatToWeights(tensor.dtype, values,
                             absl::MakeSpan(tensor.bytes));
  const std::optional<int64_t> bad = FindNonFinite(tensor.dtype, tensor.bytes);
  if (!bad.has_value()) return tensor;
  return absl::InvalidArgumentError(absl::StrCat(
      "tensor \"", checkpoint::FormatTensorName(matrix.name), "\", element ",
      *bad, ": expected a number that ", checkpoint::DtypeName(tensor.dtype),
      " can hold, found ", values[static_cast<size_t>(*bad)],
      "; give more tokens or a larger ridge"));
}

}  // namespace moe::reconstruct
