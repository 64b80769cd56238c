#include "moe/split/split_options.h"

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/split/split_options.pb.h"

namespace moe {
namespace {

// Of `num_parts` parts: where neurons are not shared, they take all neurons.
absl::StatusOr<int64_t> EvenSize(int64_t intermediate_size, int64_t num_parts,
                                 absl::string_view parts) {
  if (intermediate_size % num_parts == 0 && intermediate_size > 0) {
    return intermediate_size / num_parts;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "intermediate size is ", intermediate_size, ", which ", num_parts, " ",
      parts, " cannot share out evenly; choose a number that divides it"));
}

absl::StatusOr<int64_t> SharedSize(int64_t intermediate_size, int64_t num_parts,
                                   absl::string_view parts) {
  if (intermediate_size >= num_parts) return intermediate_size / num_parts;
  return absl::InvalidArgumentError(
      absl::StrCat("intermediate size is ", intermediate_size,
                   ", which is less than ", num_parts, " ", parts));
}

template <typename Options>
absl::StatusOr<int64_t> SizeOf(const Options& options,
                               int64_t intermediate_size, int64_t num_parts,
                               absl::string_view parts) {
  if (!options.has_expert_size()) {
    return options.share_neurons()
               ? SharedSize(intermediate_size, num_parts, parts)
               : EvenSize(intermediate_size, num_parts, parts);
  }
  const int64_t size = options.expert_size();
  if (size > intermediate_size) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expert_size is ", size, "; allowed: 1 to the intermediate size, ",
        intermediate_size));
  }
  // By division: the product may be out of range.
  const bool is_even =
      intermediate_size % size == 0 && intermediate_size / size == num_parts;
  if (options.share_neurons() || is_even) return size;
  return absl::InvalidArgumentError(absl::StrCat(
      "expert_size is ", size, ", and ", num_parts, " ", parts,
      " of that size are not the ", intermediate_size,
      " neurons there are; leave expert_size out, or set share_neurons"));
}

}  // namespace

absl::StatusOr<int64_t> ExpertSize(const VanillaSplitOptions& options,
                                   int64_t intermediate_size) {
  return SizeOf(options, intermediate_size, options.num_experts(), "experts");
}

absl::StatusOr<int64_t> ExpertSize(const ResidualSplitOptions& options,
                                   int64_t intermediate_size) {
  const int64_t num_residual = options.num_experts_residual();
  const int64_t num_parts = options.num_experts_moe() + num_residual;
  MOE_ASSIGN_OR_RETURN(
      const int64_t size,
      SizeOf(options, intermediate_size, num_parts,
             "experts, those of the residual expert among them,"));
  // Shared neurons are what the residual expert leaves.
  if (size <= intermediate_size / (num_residual + 1)) return size;
  return absl::InvalidArgumentError(absl::StrCat(
      "expert_size is ", size, "; allowed: 1 to ",
      intermediate_size / (num_residual + 1), ", for the residual expert of ",
      num_residual, " times that size and one expert have to have room among ",
      intermediate_size, " neurons"));
}

absl::StatusOr<int64_t> ExpertSize(const NaiveSplitOptions& options,
                                   int64_t intermediate_size) {
  return EvenSize(intermediate_size, options.num_experts(), "experts");
}

}  // namespace moe
