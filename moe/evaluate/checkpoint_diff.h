// Comparing two checkpoints or artifacts, tensor by tensor.
//
// For the question whether a conversion, or another implementation of it, gives
// the same model. It compares the values of tensors by name, whatever shard and
// place they are in, and the fields of config.json; it does not look at
// tokenizers or at the metadata of safetensors files.

#ifndef MOE_EVALUATE_CHECKPOINT_DIFF_H_
#define MOE_EVALUATE_CHECKPOINT_DIFF_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/base/progress.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/tensor.h"
#include "moe/evaluate/diff_options.pb.h"
#include "moe/evaluate/element_diff.h"
#include "moe/evaluate/tensor_source.h"

namespace moe::evaluate {

enum class TensorStatus {
  kSame,   // Every bit.
  kClose,  // Every element that differs passes a tolerance.
  kDiffers,
  kShapeDiffers,  // And the type may too.
  kDtypeDiffers,
  kOnlyInA,
  kOnlyInB,
};

// "same", "close", "differs", "shape", "dtype", "only_in_a", "only_in_b".
absl::string_view TensorStatusName(TensorStatus status);

struct TensorDiff {
  std::string name;
  TensorStatus status = TensorStatus::kSame;
  // Nothing where it is missing.
  std::optional<checkpoint::TensorSpec> a;
  std::optional<checkpoint::TensorSpec> b;
  // With kClose and kDiffers.
  std::optional<ElementDiff> elements;
};

struct ConfigFieldDiff {
  // Names of nested fields are joined with dots: "rope_scaling.factor".
  std::string field;
  // The values as JSON; nothing where the field is missing.
  std::optional<std::string> a;
  std::optional<std::string> b;
};

struct CheckpointDiff {
  std::string a_path;
  std::string b_path;
  // In NaturalOrder of their names.
  std::vector<TensorDiff> tensors;
  // Whether there were two documents to compare, and what differs.
  bool config_compared = false;
  std::vector<ConfigFieldDiff> config;

  int64_t Count(TensorStatus status) const;
  // Every tensor is kSame or kClose, and no field differs.
  bool Same() const;
};

// Compares the tensors. Reads both sides in pieces of 1 MiB for each thread,
// and twice where they differ. Independent of the number of threads. Errors are
// those of CheckOptions and of reading; of several, the first in the
// order of the tensors.
absl::StatusOr<std::vector<TensorDiff>> DiffTensors(const TensorSource& a,
                                                    const TensorSource& b,
                                                    const DiffOptions& options,
                                                    base::ThreadPool& pool,
                                                    base::Progress& progress);

// The fields whose values differ, in the order of A, then those that only B
// has. The order of fields does not count, and 1 and 1.0 are the same number.
std::vector<ConfigFieldDiff> DiffJson(const base::Json& a, const base::Json& b);

// Opens both paths with OpenTensorSource and compares them; config.json only
// where both are directories and one of them has it.
absl::StatusOr<CheckpointDiff> DiffCheckpoints(absl::string_view a_path,
                                               absl::string_view b_path,
                                               const DiffOptions& options,
                                               base::ThreadPool& pool,
                                               base::Progress& progress);

// Lines of text: the paths, the fields of config.json that differ, how many
// tensors have which status, what is to say about those that are not the same,
// and the verdict. Of such tensors the first `max_listed` are listed, all of
// them if it is 0.
std::string FormatDiff(const CheckpointDiff& diff, int64_t max_listed);

// The same for programs, with every tensor. Fields are in a fixed order and
// numbers have every digit; infinity, which JSON does not have, is null.
base::Json DiffToJson(const CheckpointDiff& diff);

}  // namespace moe::evaluate

#endif  // MOE_EVALUATE_CHECKPOINT_DIFF_H_
