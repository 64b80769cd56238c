#include "moe/model/walk/dense_model.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"

namespace moe::model {

absl::StatusOr<DenseModel> DenseModel::Open(absl::string_view directory) {
  MOE_ASSIGN_OR_RETURN(checkpoint::Checkpoint checkpoint,
                       checkpoint::Checkpoint::Open(directory));
  if (checkpoint.dense_config() == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        directory,
        ": expected a dense checkpoint, found a Mixture-of-Experts "
        "checkpoint; use the dense model that it was made from"));
  }
  return DenseModel(std::move(checkpoint));
}

}  // namespace moe::model
