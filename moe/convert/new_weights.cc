#include "moe/convert/new_weights.h"

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/philox.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/checkpoint_form.pb.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/convert/piece_reader.h"
#include "moe/convert/piece_stream.h"

namespace moe::convert {
namespace {

std::string Rounded(absl::Span<const float> values, checkpoint::Dtype dtype) {
  std::string bytes(
      values.size() * static_cast<size_t>(checkpoint::DtypeSize(dtype)), '\0');
  checkpoint::FloatToWeights(dtype, values, absl::MakeSpan(bytes));
  return bytes;
}

absl::Span<const float> GivenRows(const checkpoint::GateWeights& gate_weights,
                                  int64_t layer,
                                  const checkpoint::TensorSpec& spec) {
  const base::Matrix<float>& weights =
      gate_weights.layers[static_cast<size_t>(layer)];
  MOE_CHECK(spec.shape[0] <= weights.rows() && spec.shape[1] == weights.cols());
  return weights.values().first(
      static_cast<size_t>(spec.shape[0] * spec.shape[1]));
}

}  // namespace

checkpoint::TensorSpec RouterSpec(const RouterSource& source, int64_t layer,
                                  checkpoint::Dtype weights) {
  const checkpoint::TensorName name = {source.kind, layer, /*expert=*/-1,
                                       /*is_bias=*/false};
  return {checkpoint::FormatTensorName(name),
          source.dtype == CheckpointForm::FLOAT32 ? checkpoint::Dtype::kF32
                                                  : weights,
          {source.num_experts, source.hidden_size}};
}

std::string RouterBytes(const RouterSource& source, int64_t layer,
                        const checkpoint::TensorSpec& spec) {
  if (source.gate_weights != nullptr) {
    return Rounded(GivenRows(*source.gate_weights, layer, spec), spec.dtype);
  }
  // Square root and quotient are correctly rounded everywhere.
  const auto bound =
      static_cast<float>(1.0 / std::sqrt(static_cast<double>(spec.shape[1])));
  base::RandomStream stream(source.seed,
                            absl::StrCat(source.step, "/layer/", layer));
  std::vector<float> values(static_cast<size_t>(spec.shape[0] * spec.shape[1]));
  for (float& value : values) value = stream.UniformSymmetric(bound);
  return Rounded(values, spec.dtype);
}

Replacement RouterOf(const RouterSource& source, int64_t layer,
                     checkpoint::Dtype weights) {
  const checkpoint::TensorSpec spec = RouterSpec(source, layer, weights);
  return {{spec}, {GeneratedPiece{NumBytes(spec), [&source, layer, spec] {
                                    return RouterBytes(source, layer, spec);
                                  }}}};
}

absl::Status CheckRouterFits(const checkpoint::GateWeights& gate_weights,
                             int64_t layer,
                             const checkpoint::TensorSpec& spec) {
  const absl::Span<const float> rows = GivenRows(gate_weights, layer, spec);
  const std::optional<int64_t> found =
      FindNonFinite(spec.dtype, Rounded(rows, spec.dtype));
  if (!found.has_value()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "layers.", layer, "[", *found / spec.shape[1], ", ",
      *found % spec.shape[1], "]: expected a number in the range of ",
      checkpoint::DtypeName(spec.dtype),
      ", the type of the checkpoint's weights, found ",
      rows[static_cast<size_t>(*found)],
      "; scale the gate weights down, or convert with "
      "--router_dtype=float32"));
}

absl::Status CheckRoutersFit(const RouterSource& source,
                             const checkpoint::Checkpoint& from,
                             const checkpoint::MoeConfig& config,
                             checkpoint::TensorKind beside,
                             absl::string_view path) {
  if (source.gate_weights == nullptr) return absl::OkStatus();
  for (int64_t i = 0; i < config.decoder.num_hidden_layers; ++i) {
    if (config.IsContractLayer(i)) continue;
    const checkpoint::TensorLocation weights =
        from.tensors().Find(checkpoint::FormatTensorName(
            {beside, i, /*expert=*/-1, /*is_bias=*/false}));
    const checkpoint::TensorSpec spec =
        RouterSpec(source, i, weights.tensor->spec.dtype);
    MOE_RETURN_IF_ERROR(
        base::Annotate(CheckRouterFits(*source.gate_weights, i, spec), path));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> DivideBias(const checkpoint::TensorLocation& bias,
                                       double scale, absl::string_view field) {
  const checkpoint::TensorSpec& spec = bias.tensor->spec;
  std::string bytes(static_cast<size_t>(NumBytes(spec)), '\0');
  MOE_RETURN_IF_ERROR(ReadFinite(bias, 0, absl::MakeSpan(bytes)));
  std::vector<float> values(
      bytes.size() / static_cast<size_t>(checkpoint::DtypeSize(spec.dtype)));
  checkpoint::WeightsToFloat(spec.dtype, bytes, absl::MakeSpan(values));
  std::vector<float> quotients(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    quotients[i] = static_cast<float>(double{values[i]} / scale);
  }
  checkpoint::FloatToWeights(spec.dtype, quotients, absl::MakeSpan(bytes));
  checkpoint::WeightsToFloat(spec.dtype, bytes, absl::MakeSpan(quotients));
  int exponent = 0;
  const bool is_power_of_two = std::frexp(scale, &exponent) == 0.5;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] == 0.0f) continue;
    // A float times a power of two is exact as a double.
    if (is_power_of_two && double{quotients[i]} * scale == double{values[i]}) {
      continue;
    }
    return absl::InvalidArgumentError(absl::StrCat(
        bias.shard->path(), ": tensor \"", spec.name,
        "\": expected elements that ", scale, " (", field,
        ") divides exactly in ", checkpoint::DtypeName(spec.dtype), ", found ",
        values[i], " at element ", i, "; choose a power of two",
        is_power_of_two ? " nearer to 1" : ""));
  }
  return bytes;
}

}  // namespace moe::convert
