#include "moe/convert/narrow_mlp.h"

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/piece_stream.h"

namespace moe::convert {
namespace {

// The plan refers to the lists.
absl::StatusOr<ConversionPlan> PlanNarrow(const checkpoint::Checkpoint& dense,
                                          const KeptNeurons& kept) {
  MOE_CHECK(dense.dense_config() != nullptr && !kept.empty());
  checkpoint::LlamaConfig config = *dense.dense_config();
  config.intermediate_size = static_cast<int64_t>(kept.front().size());
  return PlanDenseConversion(
      dense, config,
      [&](const checkpoint::TensorName& name,
          const checkpoint::TensorLocation& from) {
        const bool is_down = name.kind == checkpoint::TensorKind::kMlpDown;
        const bool has_neurons =
            is_down ? !name.is_bias
                    : name.kind == checkpoint::TensorKind::kMlpGate ||
                          name.kind == checkpoint::TensorKind::kMlpUp;
        if (!has_neurons) return CopyAs(name, from);
        return Slice(from, /*axis=*/is_down ? 1 : 0, {name},
                     {kept[static_cast<size_t>(name.layer)]});
      });
}

}  // namespace

absl::Status CheckNarrowOutput(const checkpoint::Checkpoint& dense,
                               int64_t num_neurons,
                               const ConversionOutput& output) {
  std::vector<int64_t> first(static_cast<size_t>(num_neurons));
  std::iota(first.begin(), first.end(), int64_t{0});
  const KeptNeurons kept(
      static_cast<size_t>(
          checkpoint::DecoderConfig(dense.config()).num_hidden_layers),
      first);
  MOE_ASSIGN_OR_RETURN(ConversionPlan plan, PlanNarrow(dense, kept));
  return CheckConversionOutput(std::move(plan), dense, output);
}

absl::StatusOr<WrittenCheckpoint> WriteNarrowCheckpoint(
    const checkpoint::Checkpoint& dense, const KeptNeurons& kept,
    const ConversionOutput& output, const ConversionResources& resources) {
  MOE_ASSIGN_OR_RETURN(ConversionPlan plan, PlanNarrow(dense, kept));
  return WriteConversion(std::move(plan), dense, output, resources);
}

}  // namespace moe::convert
