#include "moe/align/hidden_distribution.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/align/distribution_sums.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/sums/moments.h"
#include "moe/kernels/sums/token_ranges.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/shard_options.pb.h"
#include "moe/model/walk/token_shard.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_plan.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/model/walk/weighted_sequences.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe {
namespace {

// Adds what a walk shows of the shard's own tokens to the sums.
class DistributionTap : public WalkTap {
 public:
  // `first_token` is the number of the walk's first token among all.
  DistributionTap(const TokenRange& own, int64_t first_token, ThreadPool& pool,
                  DistributionSums& sums)
      : own_(own), first_token_(first_token), pool_(pool), sums_(sums) {}

  absl::Status OnAttentionOutput(const TapContext& context,
                                 MatrixView<float> output) override {
    return Add(context, output, sums_.attention(context.layer));
  }
  absl::Status OnMlpOutput(const TapContext& context,
                           MatrixView<float> output) override {
    return Add(context, output, sums_.mlp(context.layer));
  }

 private:
  absl::Status Add(const TapContext& context, MatrixView<const float> output,
                   Moments& sums) {
    const int64_t first = first_token_ + context.group.first_token;
    const int64_t begin = std::max(first, own_.begin);
    const int64_t end = std::min(first + output.rows, own_.end);
    if (begin >= end) return absl::OkStatus();
    return sums.Add(begin, output.Rows(begin - first, end - first), pool_);
  }

  const TokenRange own_;
  const int64_t first_token_;
  ThreadPool& pool_;
  DistributionSums& sums_;
};

}  // namespace

absl::StatusOr<DistributionSums> SumHiddenDistribution(
    Model& model, const TokenSequences& sequences,
    const ShardOptions& shard_options, const WalkOptions& walk_options,
    const WalkResources& resources) {
  MOE_RETURN_IF_ERROR(ValidateShardOptions(shard_options));
  // Here, where sequences still have the numbers that the caller knows.
  MOE_RETURN_IF_ERROR(CheckSequences(model.config(), sequences));
  const DistributionSums::Shape shape = {model.config().num_hidden_layers,
                                         model.config().hidden_size};
  MOE_ASSIGN_OR_RETURN(
      const MemoryBudget::Reservation memory,
      resources.budget.Reserve(DistributionSums::SizeBytes(shape),
                               "hidden distribution"));
  DistributionSums sums(shape);
  const TokenSequences all = InCanonicalOrder(sequences);
  const absl::Span<const int64_t> offsets = all.offsets();
  const TokenShard shard = ShardOf(offsets, shard_options);
  if (shard.first_sequence == shard.end_sequence) return sums;
  DistributionTap tap(shard.tokens,
                      offsets[static_cast<size_t>(shard.first_sequence)],
                      resources.pool, sums);
  MOE_RETURN_IF_ERROR(Annotate(
      WalkForward(model,
                  SubRange(all, shard.first_sequence, shard.end_sequence),
                  walk_options, &tap, resources)
          .status(),
      absl::StrCat("sequences sorted by their tokens, counted from number ",
                   shard.first_sequence)));
  MOE_RETURN_IF_ERROR(sums.Finish());
  return sums;
}

}  // namespace moe
