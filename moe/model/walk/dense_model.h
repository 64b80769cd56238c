// A model without experts. Conversions start from it, and only it has a
// backward walk.

#ifndef MOE_MODEL_WALK_DENSE_MODEL_H_
#define MOE_MODEL_WALK_DENSE_MODEL_H_

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/model/walk/model.h"

namespace moe::model {

class DenseModel : public Model {
 public:
  // Errors of Checkpoint::Open; InvalidArgument for an MoE checkpoint.
  static absl::StatusOr<DenseModel> Open(absl::string_view directory);

 private:
  explicit DenseModel(checkpoint::Checkpoint checkpoint)
      : Model(std::move(checkpoint)) {}
};

}  // namespace moe::model

#endif  // MOE_MODEL_WALK_DENSE_MODEL_H_
