// What the options of conversions may be, before a model is looked at.

#ifndef MOE_CONVERT_CONVERSION_OPTIONS_H_
#define MOE_CONVERT_CONVERSION_OPTIONS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "moe/convert/attention_options.pb.h"
#include "moe/convert/mlp_options.pb.h"

namespace moe {

// The published settings: 8 routed experts of which a token takes 2, or 7 and
// 1 beside a residual expert.
inline constexpr int64_t kDefaultMlpExperts = 8;
inline constexpr int64_t kDefaultTopK = 2;
inline constexpr double kDefaultScaleFactor = 4.0;
inline constexpr int64_t kDefaultTopKResidual = 1;
inline constexpr double kDefaultScaleFactorResidual = 1.0;
inline constexpr double kDefaultScaleFactorAttention = 1.0;

// OK, or InvalidArgument with the field, its value and what is allowed.
absl::Status ValidateMlpConversionOptions(const MlpConversionOptions& options);
absl::Status ValidateAttentionConversionOptions(
    const AttentionConversionOptions& options);

int64_t AttentionSplit(const AttentionConversionOptions& options);

}  // namespace moe

#endif  // MOE_CONVERT_CONVERSION_OPTIONS_H_
