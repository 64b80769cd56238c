#include "moe/align/block_alignment.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/align/align_options.pb.h"
#include "moe/align/hidden_distribution.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/kernels/rows/elementwise.h"
#include "moe/kernels/sums/moments.h"
#include "moe/model/layer/layer_batch.h"

namespace moe::align {
namespace {

absl::StatusOr<float> ToFloat(double value, absl::string_view what, size_t i) {
  if (std::fabs(value) <= std::numeric_limits<float>::max()) {
    return static_cast<float>(value);
  }
  return absl::InvalidArgumentError(
      absl::StrCat(what, " of feature ", i,
                   ": expected a number that float32 can hold, found ", value,
                   "; the reference is not that of such a block"));
}

// The larger root s of s^2 y + 2 s c + r = v_ref, if it is positive.
std::optional<double> LargerRoot(double y, double c, double r, double v_ref) {
  const double gap = r - v_ref;
  // If the two products cancel, c is negative. The loss in their difference
  // then moves the root by at most 1e-8 of itself, less than the rounding to
  // float. Nothing else cancels.
  const double discriminant = c * c - y * gap;
  // Beyond the range of double: NaN, which the caller refuses.
  if (!std::isfinite(discriminant)) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (discriminant < 0.0) return std::nullopt;
  const double root = std::sqrt(discriminant);
  const double s = c > 0.0 ? -gap / (c + root) : (root - c) / y;
  if (s <= 0.0) return std::nullopt;
  return s;
}

// The block's output without the part that is scaled.
struct Rest {
  double mean = 0.0;
  double variance = 0.0;
  double covariance = 0.0;  // With the part that is scaled.
};

Rest RestOf(const BlockMoments& moments, size_t i) {
  const BlockMoments::Residual& with = *moments.residual;
  const double r = with.residual.variance[i];
  const double y = moments.routed.variance[i];
  return {with.residual.mean[i], r, (with.sum.variance[i] - r - y) / 2};
}

// Few enough that their sums stay in the cache until they are added; whole
// chunks of the moments.
constexpr int64_t kRowsAtOnce = 256;

}  // namespace

std::vector<bool> DeadFeatures(const std::vector<double>& variance) {
  double largest = 0.0;
  for (const double v : variance) largest = std::max(largest, v);
  std::vector<bool> dead(variance.size());
  for (size_t i = 0; i < variance.size(); ++i) {
    dead[i] = variance[i] == 0.0 || variance[i] < kDeadFeatureRatio * largest;
  }
  return dead;
}

absl::StatusOr<BlockAffine> AlignBlock(
    const BlockMoments& moments, const checkpoint::FeatureMoments& reference,
    const AlignOptions& options) {
  const checkpoint::FeatureMoments& routed = moments.routed;
  const size_t num_features = routed.mean.size();
  MOE_CHECK(reference.mean.size() == num_features);
  const bool has_rest = moments.residual.has_value() &&
                        options.alignment_mode() == AlignOptions::EXACT;
  const std::vector<bool> dead = DeadFeatures(routed.variance);
  const std::vector<bool> reference_dead = DeadFeatures(reference.variance);
  BlockAffine affine;
  for (size_t i = 0; i < num_features; ++i) {
    const Rest rest = has_rest ? RestOf(moments, i) : Rest();
    double s = 1.0;
    if (dead[i] || reference_dead[i]) {
      ++affine.num_dead;
    } else if (!has_rest) {
      s = std::sqrt(reference.variance[i] / routed.variance[i]);
    } else if (const std::optional<double> root =
                   LargerRoot(routed.variance[i], rest.covariance,
                              rest.variance, reference.variance[i])) {
      s = *root;
    } else {
      ++affine.num_without_root;
    }
    MOE_ASSIGN_OR_RETURN(const float scale, ToFloat(s, "the scale", i));
    affine.scale.push_back(scale);
    if (options.alignment_parts() == AlignOptions::MAGNITUDE) {
      affine.bias.push_back(0.0f);
      continue;
    }
    const double b =
        reference.mean[i] - rest.mean - double{scale} * routed.mean[i];
    MOE_ASSIGN_OR_RETURN(const float bias, ToFloat(b, "the bias", i));
    affine.bias.push_back(bias);
  }
  return affine;
}

std::optional<double> MeanSymmetricKl(const checkpoint::FeatureMoments& a,
                                      const checkpoint::FeatureMoments& b) {
  MOE_CHECK(a.mean.size() == b.mean.size());
  const std::vector<bool> dead_a = DeadFeatures(a.variance);
  const std::vector<bool> dead_b = DeadFeatures(b.variance);
  double sum = 0.0;
  int64_t count = 0;
  for (size_t i = 0; i < a.mean.size(); ++i) {
    if (dead_a[i] || dead_b[i]) continue;
    const double v_a = a.variance[i], v_b = b.variance[i];
    const double spread = v_a - v_b, shift = a.mean[i] - b.mean[i];
    sum += (spread / v_a * (spread / v_b) + shift * shift / v_a +
            shift * shift / v_b) /
           2;
    ++count;
  }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

BlockSurvey::BlockSurvey(int64_t hidden_size, bool has_residual)
    : routed_(hidden_size) {
  if (!has_residual) return;
  residual_ =
      Residual{kernels::Moments(hidden_size), kernels::Moments(hidden_size),
               base::Matrix<float>(kRowsAtOnce, hidden_size)};
}

int64_t BlockSurvey::SizeBytes(int64_t hidden_size) {
  return hidden_size * (3 * kMomentsBytesPerFeature +
                        kRowsAtOnce * static_cast<int64_t>(sizeof(float)));
}

absl::Status BlockSurvey::Add(int64_t first_token,
                              const model::BlockOutput& output,
                              base::ThreadPool& pool) {
  MOE_RETURN_IF_ERROR(routed_.Add(first_token, output.output, pool));
  if (!residual_.has_value()) return absl::OkStatus();
  MOE_RETURN_IF_ERROR(
      residual_->residual.Add(first_token, output.residual, pool));
  for (int64_t begin = 0; begin < output.output.rows; begin += kRowsAtOnce) {
    const int64_t end = std::min(begin + kRowsAtOnce, output.output.rows);
    const base::MatrixView<float> sum =
        residual_->buffer.view().Rows(0, end - begin);
    kernels::ResidualAdd(output.output.Rows(begin, end),
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

}  // namespace moe::align
