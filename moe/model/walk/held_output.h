// The output of a block for all tokens, held back until it is added to the
// hidden states.

#ifndef MOE_MODEL_WALK_HELD_OUTPUT_H_
#define MOE_MODEL_WALK_HELD_OUTPUT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/matrix.h"
#include "moe/base/memory_budget.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/sequence_groups.h"

namespace moe::model {

// Takes memory at its first use: from what is left of the budget, or else a
// file in `spill_directory`.
class HeldOutput {
 public:
  // For outputs [num_tokens, hidden_size]. The budget must outlive the object.
  HeldOutput(int64_t num_tokens, int64_t hidden_size,
             base::MemoryBudget& budget, absl::string_view spill_directory)
      : num_tokens_(num_tokens),
        hidden_size_(hidden_size),
        budget_(budget),
        spill_directory_(spill_directory) {}

  // Prepare returns the rows of a group for the caller to fill. Store keeps
  // them, and Load returns them as they were kept. The errors of HiddenStates.
  absl::StatusOr<BlockOutput> Prepare(const SequenceGroup& group,
                                      bool has_residual);
  absl::StatusOr<BlockOutput> Load(const SequenceGroup& group,
                                   bool has_residual);
  absl::Status Store(const SequenceGroup& group, const BlockOutput& rows);

 private:
  struct Part {
    HiddenStates states;
    base::Matrix<float> buffer;
  };
  absl::Status Create(Part& part);

  const int64_t num_tokens_;
  const int64_t hidden_size_;
  base::MemoryBudget& budget_;
  const std::string spill_directory_;
  Part output_;
  Part residual_;
};

}  // namespace moe::model

#endif  // MOE_MODEL_WALK_HELD_OUTPUT_H_
