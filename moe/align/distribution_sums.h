// The sums over tokens that a hidden distribution is made of
// (moe/align/hidden_distribution.h).

#ifndef MOE_ALIGN_DISTRIBUTION_SUMS_H_
#define MOE_ALIGN_DISTRIBUTION_SUMS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/kernels/sums/moments.h"

namespace moe {

// Bytes of Moments: two sums of 16 bytes a feature, and in an open chunk two
// doubles for each.
inline constexpr int64_t kMomentsBytesPerFeature = 64;

// Mean, variance and number. The sums are finished and of one token at least.
FeatureMoments FeatureMomentsOf(const Moments& sums);

class DistributionSums {
 public:
  struct Shape {
    int64_t num_layers = 0;
    int64_t hidden_size = 0;
    friend bool operator==(const Shape&, const Shape&) = default;
  };

  explicit DistributionSums(const Shape& shape);

  // Bytes of the sums of that shape.
  static int64_t SizeBytes(const Shape& shape);

  Shape shape() const;
  int64_t num_tokens() const;

  // Adds the sums of other tokens. InvalidArgument if the shapes differ or both
  // have sums of the same token.
  absl::Status Merge(const DistributionSums& other);

  // InvalidArgument if there are no tokens: they have no mean.
  absl::StatusOr<Distribution> ToDistribution() const;

  // For files of parts: the sums in sums_record.h's form by name, "layers.I"
  // and ".attn" or ".mlp".
  using Records = std::map<std::string, std::string>;
  Records ToRecords() const;
  // The errors of Moments::Parse, with the name; InvalidArgument if records are
  // missing, too many, or of different sizes or tokens.
  static absl::StatusOr<DistributionSums> FromRecords(const Records& records);

  // For those who sum. Tokens come as Moments wants them.
  Moments& attention(int64_t layer) { return blocks_[IndexOf(layer)]; }
  Moments& mlp(int64_t layer) { return blocks_[IndexOf(layer) + 1]; }
  absl::Status Finish();

 private:
  static size_t IndexOf(int64_t layer) {
    return static_cast<size_t>(2 * layer);
  }
  static std::string NameOf(size_t index);

  // Of each layer that of the attention, then that of the MLP.
  std::vector<Moments> blocks_;
};

}  // namespace moe

#endif  // MOE_ALIGN_DISTRIBUTION_SUMS_H_
