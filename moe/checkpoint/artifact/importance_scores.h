// importance_scores: how much each neuron of a layer's MLP matters to each
// cluster of tokens.
//
// Made by the neuron importance, read by the neuron split.
//
//   safetensors: layers.{i}              F32 [num_clusters, intermediate_size]
//                layers.{i}.token_count  I64 [num_clusters]
//   .pt:         {i: {c: tensor[intermediate_size]}}
//
// The `.pt` structure has no place for the token counts: they are not written
// to it and are absent when read from it. Scores in BF16 or F16 are upcast,
// exactly; F64 is refused.

#ifndef MOE_CHECKPOINT_ARTIFACT_IMPORTANCE_SCORES_H_
#define MOE_CHECKPOINT_ARTIFACT_IMPORTANCE_SCORES_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/matrix.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/safetensors_file.h"

namespace moe::checkpoint {

struct LayerImportanceScores {
  base::Matrix<float> scores;  // [num_clusters, intermediate_size]
  // Tokens that each cluster received: [num_clusters].
  std::optional<std::vector<int64_t>> token_count;

  friend bool operator==(const LayerImportanceScores&,
                         const LayerImportanceScores&) = default;
};

struct ImportanceScores {
  static constexpr absl::string_view kName = "importance_scores";

  std::vector<LayerImportanceScores> layers;

  HostTensors ToTensors() const;
  static absl::StatusOr<ImportanceScores> FromTensors(
      const HostTensors& tensors);
  PtValue ToPt() const;
  static absl::StatusOr<ImportanceScores> FromPt(const PtValue& value);

  friend bool operator==(const ImportanceScores&,
                         const ImportanceScores&) = default;
};

struct ImportanceScoresShape {
  int64_t num_layers = 0;
  int64_t num_clusters = 0;
  int64_t intermediate_size = 0;
};

// OK if they fit a checkpoint of that shape, every score is finite and no count
// is negative. InvalidArgument, with `where` (the path), layer and place,
// otherwise.
absl::Status ValidateImportanceScores(const ImportanceScores& scores,
                                      const ImportanceScoresShape& want,
                                      absl::string_view where);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_ARTIFACT_IMPORTANCE_SCORES_H_
