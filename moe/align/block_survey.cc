#include "moe/align/block_survey.h"

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/align/block_alignment.h"
#include "moe/align/distribution_sums.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/rows/elementwise.h"
#include "moe/kernels/sums/moments.h"
#include "moe/model/layer/layer_batch.h"

namespace moe {
namespace {

// So few that their sums stay in the cache until they are added up; whole
// chunks of the moments.
constexpr int64_t kRowsAtOnce = 256;

}  // namespace

BlockSurvey::BlockSurvey(int64_t hidden_size, bool has_residual)
    : routed_(hidden_size) {
  if (!has_residual) return;
  residual_ = Residual{Moments(hidden_size), Moments(hidden_size),
                       Matrix<float>(kRowsAtOnce, hidden_size)};
}

int64_t BlockSurvey::SizeBytes(int64_t hidden_size) {
  return hidden_size * (3 * kMomentsBytesPerFeature +
                        kRowsAtOnce * static_cast<int64_t>(sizeof(float)));
}

absl::Status BlockSurvey::Add(int64_t first_token, const BlockOutput& output,
                              ThreadPool& pool) {
  MOE_RETURN_IF_ERROR(routed_.Add(first_token, output.output, pool));
  if (!residual_.has_value()) return absl::OkStatus();
  MOE_RETURN_IF_ERROR(
      residual_->residual.Add(first_token, output.residual, pool));
  for (int64_t begin = 0; begin < output.output.rows; begin += kRowsAtOnce) {
    const int64_t end = std::min(begin + kRowsAtOnce, output.output.rows);
    const MatrixView<float> sum = residual_->buffer.view().Rows(0, end - begin);
    ResidualAdd(output.output.Rows(begin, end),
                output.residual.Rows(begin, end), sum, pool);
    MOE_RETURN_IF_ERROR(residual_->sum.Add(first_token + begin, sum, pool));
  }
  return absl::OkStatus();
}

absl::StatusOr<BlockMoments> BlockSurvey::Finish() {
  MOE_RETURN_IF_ERROR(routed_.Finish());
  BlockMoments moments;
  moments.routed = FeatureMomentsOf(routed_);
  if (!residual_.has_value()) return moments;
  MOE_RETURN_IF_ERROR(residual_->residual.Finish());
  MOE_RETURN_IF_ERROR(residual_->sum.Finish());
  moments.residual = BlockMoments::Residual{
      FeatureMomentsOf(residual_->residual), FeatureMomentsOf(residual_->sum)};
  return moments;
}

}  // namespace moe
