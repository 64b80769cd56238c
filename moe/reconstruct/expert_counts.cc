#include "moe/reconstruct/expert_counts.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/status_macros.h"
#include "moe/gates/mlp_inputs.h"

namespace moe::reconstruct {

absl::Status CheckCounts(const ExpertCounts& counts) {
  if (counts.top_k > counts.num_experts) {
    return absl::InvalidArgumentError(absl::StrCat(
        "top_k: expected at most num_experts, ", counts.num_experts, ", found ",
        counts.top_k, "; choose a smaller one"));
  }
  if (counts.num_shared_neurons.has_value() &&
      counts.num_experts_residual.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_experts_residual: expected nothing, as "
                     "num_shared_neurons is ",
                     *counts.num_shared_neurons, ", found ",
                     *counts.num_experts_residual, "; leave one of them out"));
  }
  return absl::OkStatus();
}

namespace {

absl::StatusOr<int64_t> SharedNeuronsOf(const ExpertCounts& counts,
                                        int64_t intermediate_size) {
  if (!counts.num_experts_residual.has_value()) {
    return counts.num_shared_neurons.value_or(0);
  }
  const int64_t num_residual = *counts.num_experts_residual;
  // A larger one divides nothing, and the sum may be out of range.
  if (num_residual <= intermediate_size) {
    const int64_t num_parts = counts.num_experts + num_residual;
    if (intermediate_size % num_parts == 0) {
      return num_residual * (intermediate_size / num_parts);
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "num_experts_residual: expected one that sums with num_experts, ",
      counts.num_experts, ", to a divisor of the intermediate size, ",
      intermediate_size, ", found ", num_residual, "; choose other numbers"));
}

}  // namespace

absl::StatusOr<ExpertSizes> SizesOf(const ExpertCounts& counts,
                                    int64_t intermediate_size) {
  MOE_ASSIGN_OR_RETURN(const int64_t num_shared,
                       SharedNeuronsOf(counts, intermediate_size));
  const int64_t num_experts = counts.num_experts;
  if (num_shared >= intermediate_size) {
    return absl::InvalidArgumentError(absl::StrCat(
        "num_shared_neurons: expected fewer than the intermediate size, ",
        intermediate_size, ", found ", num_shared,
        "; leave some to the routed experts"));
  }
  const int64_t left = intermediate_size - num_shared;
  // A division, because the product may be out of range.
  if (left % num_experts != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "num_experts: expected a divisor of ", left, ", the neurons that ",
        num_shared, " shared ones leave of ", intermediate_size, ", found ",
        num_experts, "; choose another num_experts or num_shared_neurons"));
  }
  const ExpertSizes sizes = {num_shared, left / num_experts};
  if (counts.expert_size.value_or(sizes.expert_size) == sizes.expert_size) {
    return sizes;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "expert_size: expected that ", num_shared, " shared neurons and ",
      num_experts, " experts take all ", intermediate_size,
      " neurons, found experts of ", *counts.expert_size,
      "; leave expert_size out, or choose another num_experts or "
      "num_shared_neurons"));
}

absl::Status CheckEnoughTokensFor(const ExpertCounts& counts,
                                  int64_t num_tokens) {
  MOE_RETURN_IF_ERROR(gates::CheckEnoughTokens(num_tokens, counts.num_experts));
  const int64_t num_shared = counts.num_shared_neurons.value_or(0);
  if (num_tokens >= num_shared) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("num_shared_neurons: expected at most ", num_tokens,
                   ", the number of tokens, found ", num_shared,
                   "; use more text or share fewer neurons"));
}

std::vector<int64_t> LargestNeurons(absl::Span<const double> totals,
                                    int64_t num_shared) {
  std::vector<int64_t> neurons(totals.size());
  std::iota(neurons.begin(), neurons.end(), int64_t{0});
  std::stable_sort(neurons.begin(), neurons.end(), [&](int64_t a, int64_t b) {
    return totals[static_cast<size_t>(a)] > totals[static_cast<size_t>(b)];
  });
  neurons.resize(static_cast<size_t>(num_shared));
  std::sort(neurons.begin(), neurons.end());
  return neurons;
}

std::vector<int64_t> OtherNeurons(int64_t num_neurons,
                                  absl::Span<const int64_t> shared) {
  std::vector<int64_t> others;
  size_t next = 0;
  for (int64_t n = 0; n < num_neurons; ++n) {
    if (next < shared.size() && shared[next] == n) {
      ++next;
    } else {
      others.push_back(n);
    }
  }
  return others;
}

}  // namespace moe::reconstruct
