// The sums over tokens that importance scores are made of
// (moe/split/neuron_importance.h).

#ifndef MOE_SPLIT_IMPORTANCE_SUMS_H_
#define MOE_SPLIT_IMPORTANCE_SUMS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/kernels/sums/centroid_sums.h"
#include "moe/kernels/sums/feature_sums.h"

namespace moe {

// The sums that scores are made of.
class ImportanceSums {
 public:
  struct Shape {
    int64_t num_layers = 0;
    int64_t num_clusters = 0;
    int64_t intermediate_size = 0;
    friend bool operator==(const Shape&, const Shape&) = default;
  };

  explicit ImportanceSums(const Shape& shape);

  // Bytes of the sums of that shape.
  static int64_t SizeBytes(const Shape& shape);

  Shape shape() const;
  int64_t num_tokens() const { return loss_.num_tokens(); }

  // Adds the sums of other tokens. InvalidArgument if the shapes differ or both
  // have sums of the same token.
  absl::Status Merge(const ImportanceSums& other);

  // The sums over the counts in double, rounded to float.
  ImportanceScores Scores() const;

  // The mean cross entropy over all labels; 0 where there are none.
  double MeanLoss() const;
  int64_t NumPredictedTokens() const;

  // For files of parts: the sums in sums_record.h's form by name, "layers.I"
  // and "loss".
  using Records = std::map<std::string, std::string>;
  Records ToRecords() const;
  // The errors of CentroidSums::Parse, with the name; InvalidArgument if
  // records are missing, too many, of different shapes, tokens or kinds.
  static absl::StatusOr<ImportanceSums> FromRecords(const Records& records);

  // For those who sum. Tokens come as FeatureSums wants them.
  CentroidSums& layer(int64_t i) { return layers_[static_cast<size_t>(i)]; }
  // Features: the cross entropy; 1 where a label is predicted.
  FeatureSums& loss() { return loss_; }
  absl::Status Finish();

 private:
  std::vector<CentroidSums> layers_;
  FeatureSums loss_;
};

}  // namespace moe

#endif  // MOE_SPLIT_IMPORTANCE_SUMS_H_
