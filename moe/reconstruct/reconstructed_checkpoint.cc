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

namespace moe::reconstruct {
namespace {

absl::StatusOr<convert::ConversionPlan> PlanOf(
    const checkpoint::Checkpoint& from, convert::ConvertTensor convert) {
  if (from.moe_config() != nullptr) {
    return convert::PlanMoeConversion(from, *from.moe_config(), convert);
  }
  return convert::PlanDenseConversion(from, *from.dense_config(), convert);
}

}  // namespace

absl::Status CheckReconstructedOutput(const checkpoint::Checkpoint& from,
                                      const convert::ConversionOutput& output) {
  MOE_ASSIGN_OR_RETURN(
      convert::ConversionPlan plan,
      PlanOf(from, [](const checkpoint::TensorName& name,
                      const checkpoint::TensorLocation& location) {
        return convert::CopyAs(name, location);
      }));
  return convert::CheckConversionOutput(std::move(plan), from, output);
}

absl::StatusOr<convert::WrittenCheckpoint> WriteReconstructedCheckpoint(
    const checkpoint::Checkpoint& from, const RefittedWeights& weights,
    const convert::ConversionOutput& output,
    const convert::ConversionResources& resources) {
  MOE_ASSIGN_OR_RETURN(
      convert::ConversionPlan plan,
      PlanOf(from, [&](const checkpoint::TensorName& name,
                       const checkpoint::TensorLocation& location) {
        convert::Replacement group = convert::CopyAs(name, location);
        if (weights.Has(name)) {
          group.pieces = {convert::GeneratedPiece{
              checkpoint::NumBytes(location.tensor->spec),
              [&weights, name] { return weights.Read(name); }}};
        }
        return group;
      }));
  return convert::WriteConversion(std::move(plan), from, output, resources);
}

}  // namespace moe::reconstruct
