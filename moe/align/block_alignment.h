// The affine map that gives a block's output the mean and variance of a
// reference, and the moments that it is computed from. No model is needed here.
//
// Published as LLaMA-MoE v2, "alignment of the hidden distribution". The output
// of a converted block has other moments than that of the dense block that the
// next block was trained with. Scaling and shifting each feature restores the
// first two moments.

#ifndef MOE_ALIGN_BLOCK_ALIGNMENT_H_
#define MOE_ALIGN_BLOCK_ALIGNMENT_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/align/align_options.pb.h"
#include "moe/base/matrix.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/kernels/sums/moments.h"
#include "moe/model/layer/layer_batch.h"

namespace moe::align {

// A feature is dead if its variance is below this share of the block's largest.
// The ratio of two such variances would be one of rounding errors.
inline constexpr double kDeadFeatureRatio = 1e-12;

// For each feature, whether its variance is 0 or below kDeadFeatureRatio times
// the largest.
std::vector<bool> DeadFeatures(const std::vector<double>& variance);

// The moments of a block's output over all tokens.
struct BlockMoments {
  // y: the output of the routed experts, or of the whole block.
  checkpoint::FeatureMoments routed;
  // With a residual expert, its output r and the sum r + y.
  struct Residual {
    checkpoint::FeatureMoments residual;
    checkpoint::FeatureMoments sum;
  };
  std::optional<Residual> residual;

  // The moments of what is added to the hidden state.
  const checkpoint::FeatureMoments& whole() const {
    return residual.has_value() ? residual->sum : routed;
  }
};

// y becomes scale * y + bias, feature by feature.
struct BlockAffine {
  std::vector<float> scale;  // [H]
  std::vector<float> bias;   // [H]
  int64_t num_dead = 0;
  // Features that are not dead and have no root; 0 without a residual expert.
  int64_t num_without_root = 0;
};

// Finds scale s and bias b of each feature, in double, from the moments m and v
// of y and those of the reference, m_ref and v_ref:
//
//   s = sqrt(v_ref / v)    b = m_ref - s m
//
// With a residual expert, in the mode EXACT, s is the larger root of
//
//   s^2 var(y) + 2 s cov(r, y) + var(r) = v_ref,
//   cov(r, y) = (var(r + y) - var(r) - var(y)) / 2
//   b = m_ref - mean(r) - s m
//
// The root is computed without a cancellation that a float would show. With
// c = cov(r, y) and D = c^2 - var(y) (var(r) - v_ref):
//
//   s = (sqrt(D) - c) / var(y)                 if c <= 0
//   s = (v_ref - var(r)) / (c + sqrt(D))       if c > 0
//
// s = 1 if the feature is dead in y or in the reference, or if there is no
// positive root; b follows from it as above. s is rounded to float, and b is
// computed from the rounded s. Parts MAGNITUDE: b = 0.
//
// Deterministic: additions, products, quotients and square roots in double.
// `options` must be valid. All moments must have the same number of features,
// and no variance may be negative.
//
// InvalidArgument, with the feature, if s or b is beyond float.
absl::StatusOr<BlockAffine> AlignBlock(
    const BlockMoments& moments, const checkpoint::FeatureMoments& reference,
    const AlignOptions& options);

// How far `a` is from `b`: the mean over features of the symmetric (Jeffreys')
// divergence of the Gaussians with these moments, KL(a || b) + KL(b || a)
//   = ((v_a - v_b)^2 / (v_a v_b) + (m_a - m_b)^2 (1 / v_a + 1 / v_b)) / 2.
// Leaves out features that are dead in one of them. Empty if none is left.
std::optional<double> MeanSymmetricKl(const checkpoint::FeatureMoments& a,
                                      const checkpoint::FeatureMoments& b);

// Gathers the moments of a block's output group by group.

class BlockSurvey {
 public:
  BlockSurvey(int64_t hidden_size, bool has_residual);

  // The most memory that an object takes.
  static int64_t SizeBytes(int64_t hidden_size);

  // Adds a group. Groups come in ascending order from token 0 on. The errors of
  // Moments.
  absl::Status Add(int64_t first_token, const model::BlockOutput& output,
                   base::ThreadPool& pool);
  // Call it after all groups, with at least one token. r + y is the sum of
  // floats, as a layer computes it.
  absl::StatusOr<BlockMoments> Finish();

 private:
  struct Residual {
    kernels::Moments residual;
    kernels::Moments sum;
    base::Matrix<float> buffer;  // Rows of r + y.
  };

  kernels::Moments routed_;
  std::optional<Residual> residual_;
};

}  // namespace moe::align

#endif  // MOE_ALIGN_BLOCK_ALIGNMENT_H_
