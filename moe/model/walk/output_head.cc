#include "moe/model/walk/output_head.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/kernels/gemm/gemm.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/rows/cross_entropy.h"
#include "moe/kernels/rows/elementwise.h"
#include "moe/kernels/rows/rms_norm.h"
#include "moe/model/layer/activation_error.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/model/layer/linear.h"
#include "moe/model/walk/model.h"

namespace moe::model {
namespace {

constexpr int64_t kFloatBytes = sizeof(float);
// Enough rows for a fast product. More would only cost memory.
constexpr int64_t kMostTokensAtOnce = 512;
constexpr int64_t kFewestTokensAtOnce = 16;
// The rows of the embedding that are read at a time to extract columns.
constexpr int64_t kRowsPerRead = 1024;

base::MatrixView<float> Cols(base::MatrixView<float> x, int64_t begin,
                             int64_t end) {
  return base::MatrixView<float>(x.data + begin, x.rows, end - begin, x.stride);
}

int64_t RoundToPanels(int64_t cols) {
  return std::max<int64_t>(1, cols / kernels::PackedMatrix::kPanelCols) *
         kernels::PackedMatrix::kPanelCols;
}

// The logits of a token, its hidden state as loaded and normed, and its
// gradient.
int64_t TokenBytes(const checkpoint::LlamaConfig& config) {
  return (config.vocab_size + 3 * config.hidden_size) * kFloatBytes;
}

// The memory for a row, and for a column, of the embedding: packed, and as it
// is stored, which takes at most as much.
int64_t OutputBytes(const checkpoint::LlamaConfig& config) {
  return 2 * config.hidden_size * kFloatBytes;
}
int64_t FeatureBytes(const checkpoint::LlamaConfig& config) {
  return 2 * config.vocab_size * kFloatBytes;
}

}  // namespace

int64_t OutputHead::LeastBytes(const checkpoint::LlamaConfig& config,
                               LayerPasses passes) {
  int64_t vector_bytes = OutputBytes(config);
  if (passes != LayerPasses::kForward) {
    vector_bytes = std::max(vector_bytes, FeatureBytes(config));
  }
  int64_t read_bytes = 0;
  if (passes != LayerPasses::kForward) {
    read_bytes = kRowsPerRead * config.hidden_size * kFloatBytes;
  }
  return kFewestTokensAtOnce * TokenBytes(config) +
         kernels::PackedMatrix::kPanelCols * vector_bytes + read_bytes;
}

absl::StatusOr<OutputHead> OutputHead::Create(Model& model, LayerPasses passes,
                                              base::MemoryBudget& budget,
                                              base::ThreadPool& pool) {
  OutputHead head(model, budget, pool);
  MOE_ASSIGN_OR_RETURN(
      const checkpoint::HostTensor norm,
      ReadWeight(model.checkpoint(),
                 {checkpoint::TensorKind::kFinalNorm, /*layer=*/-1,
                  /*expert=*/-1, /*is_bias=*/false}));
  head.norm_ = ToFloats(norm);
  head.epsilon_ = static_cast<float>(model.config().rms_norm_eps);
  MOE_RETURN_IF_ERROR(head.Plan(passes));
  if (head.own_.has_value()) {
    MOE_ASSIGN_OR_RETURN(
        const checkpoint::HostTensor tensor,
        ReadWeight(model.checkpoint(), model.OutputEmbedding()));
    head.own_ = PackLinear(ViewWeight(tensor), {}, passes, pool);
  }
  return head;
}

absl::Status OutputHead::Plan(LayerPasses passes) {
  const bool is_kept = model_.keeps(passes);
  const int64_t logits_bytes = kMostTokensAtOnce * TokenBytes(model_.config());
  const int64_t own_bytes =
      is_kept ? 0
              : model_.PackedOutputBytes(passes) +
                    checkpoint::NumBytes(LocateWeight(model_.checkpoint(),
                                                      model_.OutputEmbedding())
                                             .tensor->spec);
  std::optional<base::MemoryBudget::Reservation> reservation =
      budget_.TryReserve(logits_bytes + own_bytes);
  if (is_kept) {
    MOE_ASSIGN_OR_RETURN(whole_, model_.KeptOutput(pool_));
  }
  if (!reservation.has_value()) return PlanBlocks(passes);
  reservation_ = std::move(*reservation);
  tokens_at_once_ = kMostTokensAtOnce;
  if (!is_kept) own_.emplace();
  return absl::OkStatus();
}

// Uses half of what is left for logits and half for a block of the embedding,
// or all for logits if the model keeps the embedding.
absl::Status OutputHead::PlanBlocks(LayerPasses passes) {
  const checkpoint::LlamaConfig& config = model_.config();
  const int64_t least = LeastBytes(config, passes);
  const int64_t left = budget_.limit_bytes() - budget_.reserved_bytes();
  const int64_t bytes = std::max(least, left);
  MOE_ASSIGN_OR_RETURN(
      reservation_,
      budget_.Reserve(bytes, "logits, and a block of the output embedding"));
  const int64_t token_bytes = TokenBytes(config);
  const int64_t spare = whole_ != nullptr ? bytes - least : (bytes - least) / 2;
  tokens_at_once_ = std::min(kFewestTokensAtOnce + spare / token_bytes,
                             8 * kMostTokensAtOnce);
  if (whole_ != nullptr) return absl::OkStatus();
  int64_t block_bytes = bytes - tokens_at_once_ * token_bytes;
  if (passes != LayerPasses::kForward) {
    block_bytes -= kRowsPerRead * config.hidden_size * kFloatBytes;
  }
  outputs_at_once_ = RoundToPanels(block_bytes / OutputBytes(config));
  features_at_once_ = RoundToPanels(block_bytes / FeatureBytes(config));
  return absl::OkStatus();
}

absl::Status OutputHead::PackBlock(int64_t begin, int64_t end,
                                   kernels::PackedMatrix& packed) const {
  packed = kernels::PackedMatrix();
  MOE_ASSIGN_OR_RETURN(const checkpoint::HostTensor rows,
                       ReadWeightRows(model_.checkpoint(),
                                      model_.OutputEmbedding(), begin, end));
  packed = kernels::PackedMatrix::Pack(ViewWeight(rows), pool_);
  return absl::OkStatus();
}

absl::Status OutputHead::PackTransposedBlock(
    int64_t begin, int64_t end, kernels::PackedMatrix& packed) const {
  packed = kernels::PackedMatrix();
  const int64_t vocabulary = model_.config().vocab_size;
  checkpoint::HostTensor columns;
  for (int64_t row = 0; row < vocabulary; row += kRowsPerRead) {
    MOE_ASSIGN_OR_RETURN(
        const checkpoint::HostTensor rows,
        ReadWeightRows(model_.checkpoint(), model_.OutputEmbedding(), row,
                       std::min(row + kRowsPerRead, vocabulary)));
    const auto element = static_cast<size_t>(checkpoint::DtypeSize(rows.dtype));
    const size_t row_bytes = static_cast<size_t>(rows.shape[1]) * element;
    const size_t first = static_cast<size_t>(begin) * element;
    const size_t count = static_cast<size_t>(end - begin) * element;
    columns.dtype = rows.dtype;
    columns.bytes.reserve(static_cast<size_t>(vocabulary) * count);
    for (size_t at = first; at < rows.bytes.size(); at += row_bytes) {
      columns.bytes.append(rows.bytes, at, count);
    }
  }
  columns.shape = {vocabulary, end - begin};
  packed = kernels::PackedMatrix::PackTransposed(ViewWeight(columns), pool_);
  return absl::OkStatus();
}

absl::Status OutputHead::Multiply(base::MatrixView<const float> normed,
                                  base::MatrixView<float> logits) const {
  if (whole_ != nullptr || own_.has_value()) {
    kernels::Gemm(normed, (whole_ != nullptr ? *whole_ : *own_).forward, logits,
                  pool_);
    return absl::OkStatus();
  }
  kernels::PackedMatrix packed;
  for (int64_t v = 0; v < logits.cols; v += outputs_at_once_) {
    const int64_t end = std::min(v + outputs_at_once_, logits.cols);
    MOE_RETURN_IF_ERROR(PackBlock(v, end, packed));
    kernels::Gemm(normed, packed, Cols(logits, v, end), pool_);
  }
  return absl::OkStatus();
}

absl::Status OutputHead::MultiplyBackward(
    base::MatrixView<const float> d_logits,
    base::MatrixView<float> d_normed) const {
  if (whole_ != nullptr || own_.has_value()) {
    kernels::Gemm(d_logits, (whole_ != nullptr ? *whole_ : *own_).backward,
                  d_normed, pool_);
    return absl::OkStatus();
  }
  kernels::PackedMatrix packed;
  for (int64_t f = 0; f < d_normed.cols; f += features_at_once_) {
    const int64_t end = std::min(f + features_at_once_, d_normed.cols);
    MOE_RETURN_IF_ERROR(PackTransposedBlock(f, end, packed));
    kernels::Gemm(d_logits, packed, Cols(d_normed, f, end), pool_);
  }
  return absl::OkStatus();
}

absl::Status OutputHead::CheckLogits(
    int64_t first_row, base::MatrixView<const float> logits) const {
  const std::optional<kernels::MatrixPosition> bad =
      kernels::FindNonFinite(logits, pool_);
  if (!bad.has_value()) return absl::OkStatus();
  return NonFiniteActivationError({"logits", offsets_,
                                   first_token_ + first_row + bad->row,
                                   bad->col, logits.cols});
}

absl::Status OutputHead::Logits(base::MatrixView<const float> hidden,
                                const LogitsTap& tap) {
  const int64_t most = std::min(tokens_at_once_, hidden.rows);
  base::Matrix<float> normed(most, hidden.cols);
  base::Matrix<float> logits(most, model_.config().vocab_size);
  for (int64_t begin = 0; begin < hidden.rows; begin += most) {
    const int64_t end = std::min(begin + most, hidden.rows);
    const base::MatrixView<float> x = normed.view().Rows(0, end - begin);
    const base::MatrixView<float> out = logits.view().Rows(0, end - begin);
    kernels::RmsNorm(hidden.Rows(begin, end), norm_, epsilon_, x, pool_);
    MOE_RETURN_IF_ERROR(Multiply(x, out));
    MOE_RETURN_IF_ERROR(CheckLogits(begin, out));
    MOE_RETURN_IF_ERROR(tap(begin, out));
  }
  return absl::OkStatus();
}

absl::Status OutputHead::Losses(base::MatrixView<const float> hidden,
                                absl::Span<const int32_t> targets,
                                absl::Span<float> losses) {
  MOE_CHECK(targets.size() == losses.size() &&
            static_cast<int64_t>(targets.size()) == hidden.rows);
  return Logits(hidden, [&](int64_t first_row, base::MatrixView<float> logits) {
    const auto first = static_cast<size_t>(first_row);
    const auto count = static_cast<size_t>(logits.rows);
    kernels::CrossEntropy(logits, targets.subspan(first, count),
                          losses.subspan(first, count), pool_);
    return absl::OkStatus();
  });
}

absl::Status OutputHead::LossesAndGradient(base::MatrixView<const float> hidden,
                                           absl::Span<const int32_t> targets,
                                           absl::Span<const float> scales,
                                           absl::Span<float> losses,
                                           base::MatrixView<float> d_hidden) {
  MOE_CHECK(targets.size() == losses.size() &&
            static_cast<int64_t>(targets.size()) == hidden.rows &&
            base::SameShape(hidden, d_hidden));
  base::Matrix<float> d_normed(std::min(tokens_at_once_, hidden.rows),
                               hidden.cols);
  return Logits(
      hidden,
      [&](int64_t first_row, base::MatrixView<float> logits) -> absl::Status {
        const auto first = static_cast<size_t>(first_row);
        const auto count = static_cast<size_t>(logits.rows);
        kernels::CrossEntropyWithGradient(targets.subspan(first, count),
                                          scales.subspan(first, count), logits,
                                          losses.subspan(first, count), pool_);
        const base::MatrixView<float> d = d_normed.view().Rows(0, logits.rows);
        MOE_RETURN_IF_ERROR(MultiplyBackward(logits, d));
        const int64_t end = first_row + logits.rows;
        kernels::RmsNormBackward(hidden.Rows(first_row, end), norm_, epsilon_,
                                 d, d_hidden.Rows(first_row, end), pool_);
        return absl::OkStatus();
      });
}

}  // namespace moe::model
