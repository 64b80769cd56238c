#include "moe/model/layer/rotary_tables.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/kernels/math/float_math.h"
#include "moe/kernels/rows/rope.h"

namespace moe::model {
namespace {

constexpr float kTwoPi = 6.2831853071795864769f;

float DynamicBase(const checkpoint::LlamaConfig& config,
                  int64_t sequence_length) {
  const auto theta = static_cast<float>(config.rope.theta);
  const int64_t longest = config.max_position_embeddings;
  if (sequence_length <= longest) return theta;
  const auto factor = static_cast<float>(config.rope.factor);
  const float stretch = factor * static_cast<float>(sequence_length) /
                            static_cast<float>(longest) -
                        static_cast<float>(config.rope.factor - 1.0);
  const double exponent = static_cast<double>(config.head_dim) /
                          static_cast<double>(config.head_dim - 2);
  return theta * kernels::Pow(stretch, static_cast<float>(exponent));
}

float Llama3Frequency(const checkpoint::RopeConfig& rope, float frequency) {
  const auto factor = static_cast<float>(rope.factor);
  const auto context =
      static_cast<double>(rope.original_max_position_embeddings);
  const float wavelength = kTwoPi / frequency;
  if (wavelength < static_cast<float>(context / rope.high_freq_factor)) {
    return frequency;
  }
  if (wavelength > static_cast<float>(context / rope.low_freq_factor)) {
    return frequency / factor;
  }
  const float smooth =
      (static_cast<float>(context) / wavelength -
       static_cast<float>(rope.low_freq_factor)) /
      static_cast<float>(rope.high_freq_factor - rope.low_freq_factor);
  return (1.0f - smooth) * frequency / factor + smooth * frequency;
}

float ScaleFrequency(const checkpoint::RopeConfig& rope, float frequency) {
  switch (rope.type) {
    case checkpoint::RopeType::kLinear:
      return frequency / static_cast<float>(rope.factor);
    case checkpoint::RopeType::kLlama3:
      return Llama3Frequency(rope, frequency);
    case checkpoint::RopeType::kDefault:
    case checkpoint::RopeType::kDynamic:  // In the base.
      return frequency;
  }
  MOE_CHECK(false);
  return 0.0f;
}

absl::StatusOr<kernels::RopeTable> MakeTable(
    const checkpoint::LlamaConfig& config, int64_t length,
    base::ThreadPool& pool) {
  MOE_ASSIGN_OR_RETURN(const std::vector<float> frequencies,
                       ScaledRopeFrequencies(config, length));
  const float fastest =
      *std::max_element(frequencies.begin(), frequencies.end());
  const float reach =
      kernels::kMaxAngle / fastest;  // The last possible position.
  if (static_cast<float>(length - 1) > reach) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "sequence length: expected at most ",
        static_cast<int64_t>(std::floor(reach)) + 1,
        " tokens, which rotary position embeddings can reach, found ", length,
        "; truncate the sequences"));
  }
  return kernels::RopeTable(frequencies, length, /*scale=*/1.0f, pool);
}

}  // namespace

absl::StatusOr<std::vector<float>> ScaledRopeFrequencies(
    const checkpoint::LlamaConfig& config, int64_t sequence_length) {
  const bool is_dynamic = config.rope.type == checkpoint::RopeType::kDynamic;
  if (is_dynamic && config.head_dim == 2) {
    return absl::InvalidArgumentError(
        "rope_scaling: expected another type for head_dim 2, found dynamic");
  }
  const float base = is_dynamic ? DynamicBase(config, sequence_length)
                                : static_cast<float>(config.rope.theta);
  if (!(base > 0.0f) || !std::isfinite(base)) {
    return absl::InvalidArgumentError(
        absl::StrCat("rope_theta: expected a positive number in the range of "
                     "float, found ",
                     config.rope.theta, ", scaled ", base));
  }
  std::vector<float> frequencies =
      kernels::RopeFrequencies(base, config.head_dim);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    frequencies[i] = ScaleFrequency(config.rope, frequencies[i]);
    if (!(frequencies[i] > 0.0f) || !std::isfinite(frequencies[i])) {
      return absl::InvalidArgumentError(
          absl::StrCat("frequency ", i, " of ", frequencies.size(),
                       ", from rope_theta ", config.rope.theta,
                       " and rope_scaling: expected a positive number, "
                       "found ",
                       frequencies[i]));
    }
  }
  return frequencies;
}

absl::StatusOr<RotaryTables> RotaryTables::Create(
    const checkpoint::LlamaConfig& config,
    absl::Span<const int64_t> sequence_lengths, base::ThreadPool& pool) {
  const bool is_dynamic = config.rope.type == checkpoint::RopeType::kDynamic;
  const int64_t shared_length = is_dynamic
                                    ? config.max_position_embeddings
                                    : std::numeric_limits<int64_t>::max();
  int64_t longest_shared = 0;
  std::map<int64_t, kernels::RopeTable> tables;
  for (const int64_t length : sequence_lengths) {
    MOE_CHECK(length > 0);
    if (length <= shared_length) {
      longest_shared = std::max(longest_shared, length);
    } else if (!tables.contains(length)) {
      MOE_ASSIGN_OR_RETURN(kernels::RopeTable table,
                           MakeTable(config, length, pool));
      tables.emplace(length, std::move(table));
    }
  }
  if (longest_shared > 0) {
    MOE_ASSIGN_OR_RETURN(kernels::RopeTable table,
                         MakeTable(config, longest_shared, pool));
    tables.emplace(0, std::move(table));
  }
  return RotaryTables(shared_length, std::move(tables));
}

const kernels::RopeTable& RotaryTables::ForLength(
    int64_t sequence_length) const {
  const auto found =
      tables_.find(sequence_length <= shared_length_ ? 0 : sequence_length);
  MOE_CHECK(found != tables_.end() &&
            sequence_length <= found->second.num_positions());
  return found->second;
}

}  // namespace moe::model
