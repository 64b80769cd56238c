// Sums over the tokens of each cluster: the centroids of k-means, and
// importance scores by cluster.
//
// For tokens t with cluster c(t) and weight w(t), over the t with c(t) = c:
//   Sums()[c][f] = sum of w(t) x(t)[f], or of w(t) |x(t)[f]|
//   Weights()[c] = sum of w(t)
//   Counts()[c]  = the number of such t
// A centroid is the first divided by the second. Inside a chunk of 128 tokens,
// the sum of a cluster is a chain of double additions over its own tokens in
// ascending order, from +0. Each product is exact.
//
// feature_sums.h says how tokens are added, merged and finished.

#ifndef MOE_KERNELS_SUMS_CENTROID_SUMS_H_
#define MOE_KERNELS_SUMS_CENTROID_SUMS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/sums/chunked_sums.h"

namespace moe::kernels {

// Range 2^63, about 9.2e18; resolution 2^-64, about 5e-20: for the coordinates
// and weights of any model.
inline constexpr int kCentroidFractionBits = 64;

// Tokens [first_token, first_token + num_tokens).
struct CentroidTokens {
  int64_t first_token = 0;
  base::MatrixView<const float> rows;  // [num_tokens, num_features]
  absl::Span<const int32_t> clusters;  // [num_tokens]
  // [num_tokens] or empty, which stands for ones.
  absl::Span<const float> weights;
};

class CentroidSums {
 public:
  enum class Term { kValue, kAbsolute };  // x, or |x|.

  struct Options {
    int64_t num_clusters = 0;  // At most 2^24.
    int64_t num_features = 0;  // At most 2^31.
    Term term = Term::kValue;
    int fraction_bits = kCentroidFractionBits;  // In [0, 127].
  };

  // Takes 24 bytes for each cluster and feature; 8 of them only after the first
  // Add.
  explicit CentroidSums(const Options& options);

  // Adds the tokens [first_token, first_token + num_tokens). `rows` is
  // [num_tokens, num_features], `clusters` [num_tokens], `weights` [num_tokens]
  // or empty for ones. Takes an addition in double for each number, a product
  // as well if there are weights, and an addition of integers for each feature
  // and each cluster that has a token in the chunk.
  //
  // InvalidArgument, without a change, if a cluster is not in [0,
  // num_clusters), a weight is not finite, or the rules of feature_sums.h do
  // not allow these tokens now. InvalidArgument, with the first such token and
  // feature, if a number is NaN or infinite, and OutOfRange if a sum leaves its
  // range: the object is then not valid, and every later call returns the same
  // error.
  absl::Status Add(int64_t first_token, base::MatrixView<const float> rows,
                   absl::Span<const int32_t> clusters,
                   absl::Span<const float> weights, base::ThreadPool& pool);

  // Moves tokens that were added with `old_clusters` to tokens.clusters. The
  // sums are then, to the bit, those that Add gives for tokens.clusters. A
  // cluster whose tokens change is summed twice: if most clusters of most
  // chunks change, Add to a new object costs less.
  //
  // The tokens must be whole chunks (all tokens that were ever added of them),
  // with the same rows and weights, and finished. They may have been added to
  // another object: this one then holds differences, and must be merged with
  // that. Errors are those of Add.
  absl::Status Regroup(const CentroidTokens& tokens,
                       absl::Span<const int32_t> old_clusters,
                       base::ThreadPool& pool);

  // As for FeatureSums.
  absl::Status Finish();
  absl::Status Merge(const CentroidSums& other);

  // The tokens of all clusters.
  int64_t num_tokens() const { return sums_.num_tokens(); }

  // Each is the integer sum rounded once. After Finish only.
  std::vector<double> Sums() const;     // [num_clusters, num_features]
  std::vector<double> Weights() const;  // [num_clusters]
  std::vector<int64_t> Counts() const;  // [num_clusters]

  // The bytes that sums_record.h describes. After Finish only. Parse has the
  // errors of ParseSumsRecord, and InvalidArgument for another kind of sums.
  std::string Serialize() const { return sums_.Serialize(); }
  static absl::StatusOr<CentroidSums> Parse(absl::string_view bytes);

  int64_t num_clusters() const { return sums_.num_groups(); }
  int64_t num_features() const { return sums_.num_columns() - 1; }

 private:
  explicit CentroidSums(internal::ChunkedSums sums) : sums_(std::move(sums)) {}

  internal::ChunkedSums sums_;
};

}  // namespace moe::kernels

#endif  // MOE_KERNELS_SUMS_CENTROID_SUMS_H_
