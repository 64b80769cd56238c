#include "moe/model/walk/walk_plan.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/float_environment.h"
#include "moe/base/ignored_label.h"
#include "moe/base/memory_budget.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/kernels/gemm/gemm.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/model/layer/linear.h"
#include "moe/model/layer/rotary_tables.h"
#include "moe/model/walk/layer_weight_stream.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/output_head.h"
#include "moe/model/walk/sequence_groups.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::model {
namespace {

std::vector<int64_t> Lengths(absl::Span<const int64_t> offsets) {
  std::vector<int64_t> lengths;
  for (size_t s = 0; s + 1 < offsets.size(); ++s) {
    lengths.push_back(offsets[s + 1] - offsets[s]);
  }
  return lengths;
}

absl::StatusOr<RotaryTables> CreateTables(const checkpoint::LlamaConfig& config,
                                          absl::Span<const int64_t> offsets,
                                          base::ThreadPool& pool) {
  const std::vector<int64_t> lengths = Lengths(offsets);
  absl::StatusOr<RotaryTables> tables =
      RotaryTables::Create(config, lengths, pool);
  if (tables.ok()) return tables;
  const auto longest = std::max_element(lengths.begin(), lengths.end());
  return base::Annotate(tables.status(),
                        absl::StrCat("sequence ", longest - lengths.begin(),
                                     " of ", *longest, " tokens"));
}

// Returns the most tokens at once for which there is room, up to what the
// options allow, and reserves that room.
absl::StatusOr<int64_t> ReserveWork(
    const checkpoint::CheckpointConfig& config, LayerPasses passes,
    int64_t longest, const WalkOptions& options, const WalkResources& resources,
    base::MemoryBudget::Reservation& reservation) {
  const int64_t head_bytes =
      OutputHead::LeastBytes(checkpoint::DecoderConfig(config), passes);
  const auto bytes_for = [&](int64_t num_tokens) {
    return std::max(head_bytes, LayerWorkBytes(config, passes,
                                               {num_tokens, longest,
                                                resources.pool.num_threads(),
                                                options.blocks}));
  };
  for (int64_t tokens = options.tokens_at_once; tokens > longest; tokens /= 2) {
    std::optional<base::MemoryBudget::Reservation> work =
        resources.budget.TryReserve(bytes_for(tokens));
    if (!work.has_value()) continue;
    reservation = std::move(*work);
    return tokens;
  }
  MOE_ASSIGN_OR_RETURN(
      reservation,
      resources.budget.Reserve(bytes_for(longest),
                               absl::StrCat("the activations of a sequence of ",
                                            longest, " tokens")));
  return longest;
}

// `what` is "token id" or "label". Labels may be kIgnoredLabel.
absl::Status CheckIds(const checkpoint::LlamaConfig& config,
                      absl::string_view what, int64_t sequence,
                      absl::Span<const int32_t> ids) {
  for (size_t t = 0; t < ids.size(); ++t) {
    if (ids[t] >= 0 && ids[t] < config.vocab_size) continue;
    if (what == "label" && ids[t] == base::kIgnoredLabel) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "sequence ", sequence, ", position ", t, ": ", what, ": expected 0 to ",
        config.vocab_size - 1, ", the rows of the model's embedding, found ",
        ids[t], "; use a dataset that was tokenized for this model"));
  }
  return absl::OkStatus();
}

// The memory that experts add: the output of a residual expert; logits; for
// each choice a row's number and a weight, in vectors that grow by doubling,
// and an index; and the rows of an expert: input, activations and output.
int64_t ExpertWorkFloats(const checkpoint::MoeConfig& config,
                         const LayerWork& work) {
  const int64_t h = config.decoder.hidden_size;
  constexpr int64_t kChoiceFloats = 2 * (2 + 1) + 1;
  const int64_t mlp =
      config.num_local_experts + kChoiceFloats * config.num_experts_per_tok;
  const int64_t attention =
      config.use_attn_moe
          ? config.attn_experts + kChoiceFloats * config.top_k_attn
          : 0;
  const int64_t residual =
      config.intermediate_size_residual.has_value() ? h : 0;
  return work.num_tokens * (residual + std::max(mlp, attention)) +
         std::min(work.blocks.expert_rows, work.num_tokens) *
             (2 * h + 2 * config.expert_intermediate_size);
}

absl::StatusOr<WalkPlan> TryPlan(const Model& model,
                                 const text::TokenSequences& sequences,
                                 LayerPasses passes, const WalkOptions& options,
                                 const WalkResources& resources) {
  const checkpoint::LlamaConfig& config = model.config();
  MOE_ASSIGN_OR_RETURN(
      RotaryTables rotary,
      CreateTables(config, sequences.offsets(), resources.pool));
  MOE_ASSIGN_OR_RETURN(
      LayerWeightMemory weights,
      LayerWeightMemory::Reserve(model, passes, resources.budget));
  base::MemoryBudget::Reservation work;
  MOE_ASSIGN_OR_RETURN(const int64_t tokens_at_once,
                       ReserveWork(model.checkpoint().config(), passes,
                                   LongestSequence(sequences.offsets()),
                                   options, resources, work));
  if (options.reads_ahead) weights.AddNextLayer(resources.budget);
  return WalkPlan{std::move(rotary),
                  GroupSequences(sequences.offsets(), tokens_at_once),
                  std::move(work), std::move(weights)};
}

}  // namespace

absl::Status CheckSequences(const checkpoint::LlamaConfig& config,
                            const text::TokenSequences& sequences) {
  if (sequences.num_sequences() == 0) {
    return absl::InvalidArgumentError(
        "dataset: expected at least one sequence, found no sequence");
  }
  for (int64_t s = 0; s < sequences.num_sequences(); ++s) {
    MOE_RETURN_IF_ERROR(
        CheckIds(config, "token id", s, sequences.input_ids(s)));
    MOE_RETURN_IF_ERROR(CheckIds(config, "label", s, sequences.labels(s)));
  }
  return absl::OkStatus();
}

int64_t LayerWorkBytes(const checkpoint::CheckpointConfig& any_config,
                       LayerPasses passes, const LayerWork& work) {
  const checkpoint::LlamaConfig& config = checkpoint::DecoderConfig(any_config);
  const int64_t h = config.hidden_size, i = config.intermediate_size;
  const int64_t q = config.QuerySize(), k = config.KeyValueSize();
  const int64_t mlp_rows = std::min(work.blocks.mlp_rows, work.num_tokens);
  const bool is_backward = passes != LayerPasses::kForward;
  constexpr int64_t kDepth = kernels::PackedMatrix::kDepthBlock;
  // For each token: a hidden state that is loaded, activations, the statistics
  // of the attention, packed keys and values; then for each row of the MLP.
  int64_t token_floats = 3 * h + 2 * q + 4 * k + 2 * config.num_attention_heads;
  int64_t mlp_floats = 2 * i;
  // For each thread: queries, scores, outputs, and rows of a product's operand.
  int64_t thread_floats =
      (3 * work.blocks.query_rows + 224) * kernels::kGemmRowStride;
  int64_t sequence_floats = 0;
  int64_t expert_floats = 0;
  if (const auto* moe = std::get_if<checkpoint::MoeConfig>(&any_config);
      moe != nullptr) {
    expert_floats = ExpertWorkFloats(*moe, work);
  }
  if (is_backward) {
    // Gradients: of the hidden state and the projections, and of keys and
    // values for every head.
    token_floats += 2 * h + 4 * q + 6 * k;
    mlp_floats += 2 * i + 2 * h;
    thread_floats += 900 * kDepth + 5 * kDepth * config.head_dim;
    sequence_floats =
        (work.longest / kDepth + 1) * config.head_dim * kernels::kGemmRowStride;
  }
  return static_cast<int64_t>(sizeof(float)) *
         (work.num_tokens * token_floats + mlp_rows * mlp_floats +
          work.num_threads * thread_floats + sequence_floats + expert_floats);
}

absl::StatusOr<WalkPlan> PlanWalk(Model& model,
                                  const text::TokenSequences& sequences,
                                  LayerPasses passes,
                                  const WalkOptions& options,
                                  const WalkResources& resources) {
  // The contract also covers what a walk computes outside of the pool.
  base::SetFloatEnvironment();
  MOE_RETURN_IF_ERROR(CheckSequences(model.config(), sequences));
  absl::StatusOr<WalkPlan> plan =
      TryPlan(model, sequences, passes, options, resources);
  if (plan.ok() || !absl::IsResourceExhausted(plan.status())) return plan;
  model.Forget();
  return TryPlan(model, sequences, passes, options, resources);
}

absl::Status KeepWeightsIfTheyFit(Model& model, LayerPasses passes,
                                  const WalkOptions& options,
                                  base::MemoryBudget& budget, WalkPlan& plan) {
  if (model.keeps(passes) || !options.keep_weights) return absl::OkStatus();
  plan.weights = LayerWeightMemory();
  model.Keep(passes, budget);
  MOE_ASSIGN_OR_RETURN(plan.weights,
                       LayerWeightMemory::Reserve(model, passes, budget));
  if (options.reads_ahead) plan.weights.AddNextLayer(budget);
  return absl::OkStatus();
}

}  // namespace moe::model
