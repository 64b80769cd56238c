// The affine map of a block's output that gives it the mean and variance of a
// reference: mathematics alone, no model.
//
// Published as LLaMA-MoE v2, "alignment of the hidden distribution". A
// converted block puts out less, and other things, than the dense one that the
// next block was trained for; scaling and shifting each feature repairs the
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

namespace moe {

// Of a block's variances, those below so much of the largest are of features
// that say nothing: a ratio of two such would be one of rounding errors.
inline constexpr double kDeadFeatureRatio = 1e-12;

// Whether each feature's variance is 0 or below kDeadFeatureRatio times the
// largest.
std::vector<bool> DeadFeatures(const std::vector<double>& variance);

// What a block puts out, over all tokens.
struct BlockMoments {
  FeatureMoments routed;  // y, of the experts; or of the whole block.
  // Beside a residual expert: its r, and r + y.
  struct Residual {
    FeatureMoments residual;
    FeatureMoments sum;
  };
  std::optional<Residual> residual;

  // Of what is added to the hidden state.
  const FeatureMoments& whole() const {
    return residual.has_value() ? residual->sum : routed;
  }
};

// y becomes scale * y + bias, feature by feature.
struct BlockAffine {
  std::vector<float> scale;  // [H]
  std::vector<float> bias;   // [H]
  int64_t num_dead = 0;
  int64_t num_without_root = 0;  // Not dead, and 0 without a residual expert.
};

// In double, with m and v the moments of y, m_ref and v_ref the reference's:
//
//   s = sqrt(v_ref / v)    b = m_ref - s m
//
// and with a residual expert, in the mode EXACT, s the larger root of
//
//   s^2 var(y) + 2 s cov(r, y) + var(r) = v_ref,
//   cov(r, y) = (var(r + y) - var(r) - var(y)) / 2
//   b = m_ref - mean(r) - s m
//
// where no difference of near numbers is taken that a float would show: s =
// (sqrt(D) - c) / var(y) with c = cov(r, y) if c is not positive, (v_ref -
// var(r)) / (c + sqrt(D)) if it is, D = c^2 - var(y) (var(r) - v_ref). s = 1
// where v or v_ref is that of a dead feature, and where there is no positive
// root; b as for any other s. s is rounded to float, b is that of the rounded
// s. Parts MAGNITUDE: b = 0.
//
// Deterministic: additions, products, quotients and square roots in double.
// `options` must be valid, and all moments of as many features, their variances
// not negative.
//
// InvalidArgument, with the feature, where s or b is beyond float.
absl::StatusOr<BlockAffine> AlignBlock(const BlockMoments& moments,
                                       const FeatureMoments& reference,
                                       const AlignOptions& options);

// How far `a` is from `b`: the mean over features of the symmetric (Jeffreys')
// divergence of the Gaussians with these moments, KL(a || b) + KL(b || a)
//   = ((v_a - v_b)^2 / (v_a v_b) + (m_a - m_b)^2 (1 / v_a + 1 / v_b)) / 2,
// without those that are dead in one of them. Nothing where none is left.
std::optional<double> MeanSymmetricKl(const FeatureMoments& a,
                                      const FeatureMoments& b);

// The moments of what a block puts out, gathered group by group.

class BlockSurvey {
 public:
  BlockSurvey(int64_t hidden_size, bool has_residual);

  // Bytes of one, at most.
  static int64_t SizeBytes(int64_t hidden_size);

  // Groups come in ascending order, the first from token 0 on. The errors of
  // Moments.
  absl::Status Add(int64_t first_token, const BlockOutput& output,
                   ThreadPool& pool);
  // At the end, of one token at least. The sum r + y is that of the floats, as
  // a layer computes it.
  absl::StatusOr<BlockMoments> Finish();

 private:
  struct Residual {
    Moments residual;
    Moments sum;
    Matrix<float> buffer;  // Rows of the sum.
  };

  Moments routed_;
  std::optional<Residual> residual_;
};

}  // namespace moe

#endif  // MOE_ALIGN_BLOCK_ALIGNMENT_H_
