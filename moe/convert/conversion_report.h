// Formats what a conversion has written, as JSON and as a table.

#ifndef MOE_CONVERT_CONVERSION_REPORT_H_
#define MOE_CONVERT_CONVERSION_REPORT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/convert_attention.h"
#include "moe/convert/convert_mlp.h"
#include "moe/convert/export_checkpoint.h"

namespace moe::convert {

// Adds "num_shards", "num_tensors", "total_size" and "left_behind":
// [{"name", "why"}].
void AddWritten(const WrittenCheckpoint& written, base::Json& json);
std::string FormatWritten(const WrittenCheckpoint& written);

// What the result was made from, beside the checkpoint. A path is empty where
// there was no file.
struct ConversionSources {
  std::string gate_weights_path;
  std::string neuron_indices_path;
  int64_t seed = 0;
};

// {"checkpoint": PATH, "kind", "num_experts", "top_k", "scale_factor",
// "expert_size", "residual_size", "num_moe_layers", "num_contract_layers",
// "gate_weights", "neuron_indices", "seed", "num_unused_neurons",
// "num_shared_neurons", and those of AddWritten}; a path is null where there
// was no file, the seed where nothing was drawn, the residual size where there
// is no such expert.
base::Json MlpConversionToJson(absl::string_view path,
                               const MlpConversion& conversion,
                               const ConversionSources& sources);
std::string FormatMlpConversion(absl::string_view path,
                                const MlpConversion& conversion,
                                const ConversionSources& sources);

// {"checkpoint", "attn_experts", "top_k_attn", "scale_factor_attn",
// "num_moe_layers", "num_contract_layers", "gate_weights", "seed", and those of
// AddWritten}
base::Json AttentionConversionToJson(absl::string_view path,
                                     const AttentionConversion& conversion,
                                     const ConversionSources& sources);
std::string FormatAttentionConversion(absl::string_view path,
                                      const AttentionConversion& conversion,
                                      const ConversionSources& sources);

// {"checkpoint", "target", "scale_factor", "num_scaled_weights",
// "num_rounded_weights", and those of AddWritten}
base::Json ExportToJson(absl::string_view path,
                        const ExportedCheckpoint& exported);
std::string FormatExport(absl::string_view path,
                         const ExportedCheckpoint& exported);

}  // namespace moe::convert

#endif  // MOE_CONVERT_CONVERSION_REPORT_H_
