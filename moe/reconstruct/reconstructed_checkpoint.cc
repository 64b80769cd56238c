#include "moe/reconstruct/reconstructed_checkpoint.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/piece_stream.h"
#include "moe/reconstruct/refitted_weights.h"

namespace moe {
namespace {

absl::StatusOr<ConversionPlan> PlanOf(const Checkpoint& from,
                                      ConvertTensor convert) {
  if (from.moe_config() != nullptr) {
    return PlanMoeConversion(from, *from.moe_config(), convert);
  }
  return PlanDenseConversion(from, *from.dense_config(), convert);
}

}  // namespace

absl::Status CheckReconstructedOutput(const Checkpoint& from,
                                      const ConversionOutput& output) {
  MOE_ASSIGN_OR_RETURN(
      ConversionPlan plan,
      PlanOf(from, [](const TensorName& name, const TensorLocation& location) {
        return CopyAs(name, location);
      }));
  return CheckConversionOutput(std::move(plan), from, output);
}

absl::StatusOr<WrittenCheckpoint> WriteReconstructedCheckpoint(
    const Checkpoint& from, const RefittedWeights& weights,
    const ConversionOutput& output, const ConversionResources& resources) {
  MOE_ASSIGN_OR_RETURN(
      ConversionPlan plan,
      PlanOf(from, [&](const TensorName& name, const TensorLocation& location) {
        Replacement group = CopyAs(name, location);
        if (weights.Has(name)) {
          group.pieces = {
              GeneratedPiece{NumBytes(location.tensor->spec),
                             [&weights, name] { return weights.Read(name); }}};
        }
        return group;
      }));
  return WriteConversion(std::move(plan), from, output, resources);
}

}  // namespace moe
