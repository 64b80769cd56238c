// Inputs that several steps have, said once.

#ifndef MOE_STEPS_STEP_INPUTS_H_
#define MOE_STEPS_STEP_INPUTS_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "moe/steps/step_kind.h"
#include "moe/steps/walk_session.h"

namespace moe {

// What --dataset_dir_or_path takes, besides a token artifact.
inline constexpr char kDatasetKinds[] =
    "JSON lines, a JSON array, CSV, TSV or text, plain or compressed by gzip "
    "or "
    "Zstandard, or a directory of such files";

inline StepInputKind DenseModelInput() {
  return {.flag = kModelPathFlag,
          .source = StepInputKind::kDenseModel,
          .what = "directory of a dense checkpoint"};
}

// A checkpoint that the field `checkpoint` names, or the dense model.
inline StepInputKind ModelInput(const std::string& what) {
  return {.flag = kModelPathFlag,
          .source = StepInputKind::kModel,
          .field = "checkpoint",
          .what = what};
}

inline StepInputKind DatasetInput() {
  return {.flag = kDatasetFlag,
          .source = StepInputKind::kDataset,
          .field = "dataset",
          .what = absl::StrCat("token artifact, or ", kDatasetKinds)};
}

}  // namespace moe

#endif  // MOE_STEPS_STEP_INPUTS_H_
