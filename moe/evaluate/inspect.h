// What a checkpoint or an artifact holds, gathered for a report.
//
// Reads headers and configuration, and weights only where values or digests are
// asked for. See inspect_report.h for the report.

#ifndef MOE_EVALUATE_INSPECT_H_
#define MOE_EVALUATE_INSPECT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/progress.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"
#include "moe/evaluate/tensor_source.h"

namespace moe::evaluate {

struct InspectOptions {
  bool check_values = false;  // Refuse NaN and infinity.
  bool digests = false;       // SHA-256 of every file.
};

// Tensors that differ by one number in their names, the same in number, types
// and shapes for each of it: "model.layers." 0 to 29.
struct NumberedTensors {
  std::string prefix;  // Up to the number: "model.layers.".
  int64_t first = 0;
  int64_t last = 0;  // Every number from first to last.
  // The tensors of one number. Their names are what follows the number:
  // ".mlp.up_proj.weight".
  std::vector<checkpoint::TensorSpec> tensors;
  int64_t num_parameters = 0;  // For one number.
  int64_t num_bytes = 0;
};

struct DtypeCount {
  int64_t num_tensors = 0;
  int64_t num_parameters = 0;
};

struct Inspection {
  std::string path;
  SourceKind kind = SourceKind::kDirectory;
  // Nothing for a file, and for a directory without config.json.
  std::optional<checkpoint::CheckpointConfig> config;
  std::vector<SourceFile> files;
  std::vector<SourceTensor> tensors;
  std::map<checkpoint::Dtype, DtypeCount> dtypes;
  int64_t num_parameters = 0;
  // Those that take part in the forward of one token, the whole embedding among
  // them: of E experts k count, of A attention experts top_k_attn.
  int64_t num_active_parameters = 0;
  int64_t num_bytes = 0;
  // In natural order; a tensor that no number groups stands in `others`.
  std::vector<NumberedTensors> groups;
  std::vector<checkpoint::TensorSpec> others;
  // Names of tokenizer files and the like, of a checkpoint.
  std::vector<std::string> companion_files;
  bool values_checked = false;
  // File name -> SHA-256, if asked for: weights, index, config, companions.
  std::vector<std::pair<std::string, std::string>> digests;
};

// A directory with a config.json is opened as a Checkpoint, which holds every
// tensor to the configuration; other directories and files as OpenTensorSource
// does. Errors are those of the two, of CheckFinite and of reading.
absl::StatusOr<Inspection> Inspect(absl::string_view path,
                                   const InspectOptions& options,
                                   base::Progress& progress);

// Groups by the first part of a name, between dots, that is a number.
// Neighbouring numbers with the same tensors are one group.
void GroupTensors(absl::Span<const SourceTensor> tensors,
                  std::vector<NumberedTensors>& groups,
                  std::vector<checkpoint::TensorSpec>& others);

}  // namespace moe::evaluate

#endif  // MOE_EVALUATE_INSPECT_H_
