#include "moe/model/walk/held_output.h"

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/base/status_macros.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/sequence_groups.h"

namespace moe::model {

absl::Status HeldOutput::Create(Part& part) {
  if (part.states.num_tokens() == num_tokens_) return absl::OkStatus();
  MOE_ASSIGN_OR_RETURN(part.states,
                       HiddenStates::Create(num_tokens_, hidden_size_, budget_,
                                            spill_directory_));
  return absl::OkStatus();
}

absl::StatusOr<BlockOutput> HeldOutput::Prepare(const SequenceGroup& group,
                                                bool has_residual) {
  BlockOutput rows;
  MOE_RETURN_IF_ERROR(Create(output_));
  rows.output = output_.states.Prepare(group.first_token, group.end_token(),
                                       output_.buffer);
  if (!has_residual) return rows;
  MOE_RETURN_IF_ERROR(Create(residual_));
  rows.residual = residual_.states.Prepare(group.first_token, group.end_token(),
                                           residual_.buffer);
  return rows;
}

absl::StatusOr<BlockOutput> HeldOutput::Load(const SequenceGroup& group,
                                             bool has_residual) {
  BlockOutput rows;
  MOE_ASSIGN_OR_RETURN(rows.output,
                       output_.states.Load(group.first_token, group.end_token(),
                                           output_.buffer));
  if (!has_residual) return rows;
  MOE_ASSIGN_OR_RETURN(
      rows.residual, residual_.states.Load(group.first_token, group.end_token(),
                                           residual_.buffer));
  return rows;
}

absl::Status HeldOutput::Store(const SequenceGroup& group,
                               const BlockOutput& rows) {
  MOE_RETURN_IF_ERROR(output_.states.Store(group.first_token, rows.output));
  if (rows.residual.rows == 0) return absl::OkStatus();
  return residual_.states.Store(group.first_token, rows.residual);
}

}  // namespace moe::model
