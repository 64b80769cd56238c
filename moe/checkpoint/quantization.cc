#include "moe/checkpoint/quantization.h"

#include <algorithm>
#include <array>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"

namespace moe {
namespace {

// The last part of a name: of GPTQ and AWQ; bitsandbytes; compressed-tensors,
// FP8 and their kind; HQQ and quanto.
constexpr std::array<absl::string_view, 28> kParts = {"qweight",
                                                      "qzeros",
                                                      "scales",
                                                      "g_idx",
                                                      "SCB",
                                                      "absmax",
                                                      "quant_map",
                                                      "nested_absmax",
                                                      "nested_quant_map",
                                                      "weight_format",
                                                      "weight_scale",
                                                      "weight_scale_inv",
                                                      "weight_scale_2",
                                                      "input_scale",
                                                      "input_scale_inv",
                                                      "activation_scale",
                                                      "weight_packed",
                                                      "weight_shape",
                                                      "weight_zero_point",
                                                      "weight_g_idx",
                                                      "input_zero_point",
                                                      "k_scale",
                                                      "v_scale",
                                                      "W_q",
                                                      "weight_qtype",
                                                      "_data",
                                                      "_scale",
                                                      "weight_blocks"};

bool IsOneByte(Dtype dtype) {
  return dtype == Dtype::kU8 || dtype == Dtype::kI8 ||
         dtype == Dtype::kF8E5M2 || dtype == Dtype::kF8E4M3 ||
         dtype == Dtype::kF8E8M0;
}

std::string Method(const Json& quantization_config) {
  if (!quantization_config.is_object()) return "";
  const absl::StatusOr<std::string> method =
      GetOr<std::string>(quantization_config, "quant_method", "");
  return method.ok() && !method->empty()
             ? absl::StrCat(" (quant_method \"", *method, "\")")
             : "";
}

}  // namespace

bool IsQuantized(const TensorSpec& tensor) {
  if (IsDerivedBuffer(tensor.name)) return false;
  const absl::string_view name = tensor.name;
  const absl::string_view last = name.substr(name.rfind('.') + 1);
  return IsOneByte(tensor.dtype) || absl::StrContains(name, ".quant_state.") ||
         std::find(kParts.begin(), kParts.end(), last) != kParts.end();
}

absl::Status CheckNotQuantized(const ShardedTensors& tensors,
                               const Json& quantization_config) {
  for (const SafetensorsFile& shard : tensors.shards()) {
    for (const SafetensorsTensor& tensor : shard.tensors()) {
      if (!IsQuantized(tensor.spec)) continue;
      return absl::UnimplementedError(absl::StrCat(
          shard.path(), ": tensor \"", tensor.spec.name, "\" is ",
          DtypeName(tensor.spec.dtype), ", of quantized weights",
          quantization_config.is_null()
              ? ""
              : absl::StrCat(", and config.json has a quantization_config",
                             Method(quantization_config)),
          ": quantized checkpoints are not supported; convert the checkpoint "
          "in BF16, F16 or F32 that it was made from"));
    }
  }
  return absl::OkStatus();
}

std::string LeftoverQuantization(absl::string_view config_path,
                                 const Json& quantization_config) {
  return absl::StrCat(
      config_path, ": quantization_config", Method(quantization_config),
      " is passed over, as no weight is quantized; no checkpoint made from "
      "this one gets it; remove it from config.json");
}

}  // namespace moe
