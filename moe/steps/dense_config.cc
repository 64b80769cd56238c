#include "moe/steps/dense_config.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"

namespace moe {

absl::StatusOr<LlamaConfig> DenseConfigOf(const std::string& model_path) {
  MOE_ASSIGN_OR_RETURN(const Checkpoint checkpoint,
                       Checkpoint::Open(model_path));
  if (checkpoint.dense_config() != nullptr) return *checkpoint.dense_config();
  return absl::InvalidArgumentError(absl::StrCat(
      model_path, " is a Mixture of Experts; a dense checkpoint is wanted"));
}

}  // namespace moe
