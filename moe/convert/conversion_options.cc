#include "moe/convert/conversion_options.h"

#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/option_checks.h"
#include "moe/base/status_macros.h"
#include "moe/convert/attention_options.pb.h"
#include "moe/convert/mlp_options.pb.h"

namespace moe {
namespace {

absl::Status CheckScale(double scale, absl::string_view field) {
  // Written so that NaN is refused.
  return CheckField(scale > 0.0 && scale <= std::numeric_limits<double>::max(),
                    field, scale, "a number above 0");
}

absl::Status CheckContractLayers(int64_t count) {
  return CheckField(count >= 0, "num_moe_contract_layers", count, "0 or more");
}

}  // namespace

absl::Status ValidateMlpConversionOptions(const MlpConversionOptions& options) {
  MOE_RETURN_IF_ERROR(
      CheckField(MlpConversionOptions::Kind_IsValid(options.kind()), "kind",
                 static_cast<int>(options.kind()), "VANILLA or RESIDUAL"));
  MOE_RETURN_IF_ERROR(CheckField(options.num_experts() >= 1, "num_experts",
                                 options.num_experts(), "1 or more"));
  MOE_RETURN_IF_ERROR(CheckField(
      options.top_k() >= 1 && options.top_k() <= options.num_experts(), "top_k",
      options.top_k(),
      absl::StrCat("1 to ", options.num_experts(), " (num_experts)")));
  MOE_RETURN_IF_ERROR(CheckScale(options.scale_factor(), "scale_factor"));
  MOE_RETURN_IF_ERROR(CheckContractLayers(options.num_moe_contract_layers()));
  return CheckSeed(options.seed());
}

absl::Status ValidateAttentionConversionOptions(
    const AttentionConversionOptions& options) {
  const int64_t split = AttentionSplit(options);
  MOE_RETURN_IF_ERROR(CheckField(split >= 1 && (split & (split - 1)) == 0,
                                 "attn_split", split, "1, 2, 4, 8, ..."));
  MOE_RETURN_IF_ERROR(CheckField(options.top_k_attn() >= 1, "top_k_attn",
                                 options.top_k_attn(), "1 or more"));
  MOE_RETURN_IF_ERROR(
      CheckScale(options.scale_factor_attn(), "scale_factor_attn"));
  MOE_RETURN_IF_ERROR(CheckContractLayers(options.num_moe_contract_layers()));
  return CheckSeed(options.seed());
}

int64_t AttentionSplit(const AttentionConversionOptions& options) {
  return options.has_attn_split() ? options.attn_split() : 1;
}

}  // namespace moe
