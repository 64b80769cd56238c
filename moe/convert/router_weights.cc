#include "moe/convert/router_weights.h"

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/philox.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/checkpoint_form.pb.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"
#include "moe/convert/tensor_piece.h"

namespace moe {
namespace {

std::string Rounded(absl::Span<const float> values, Dtype dtype) {
  std::string bytes(values.size() * static_cast<size_t>(DtypeSize(dtype)),
                    '\0');
  FloatToWeights(dtype, values, absl::MakeSpan(bytes));
  return bytes;
}

absl::Span<const float> GivenRows(const GateWeights& gate_weights,
                                  int64_t layer, const TensorSpec& spec) {
  const Matrix<float>& weights =
      gate_weights.layers[static_cast<size_t>(layer)];
  MOE_CHECK(spec.shape[0] <= weights.rows() && spec.shape[1] == weights.cols());
  return weights.values().first(
      static_cast<size_t>(spec.shape[0] * spec.shape[1]));
}

}  // namespace

Dtype RouterDtypeOf(const RouterSource& source, Dtype weights) {
  return source.dtype == CheckpointForm::FLOAT32 ? Dtype::kF32 : weights;
}

std::string RouterBytes(const RouterSource& source, int64_t layer,
                        const TensorSpec& spec) {
  if (source.gate_weights != nullptr) {
    return Rounded(GivenRows(*source.gate_weights, layer, spec), spec.dtype);
  }
  // Square root and quotient are correctly rounded everywhere.
  const auto bound =
      static_cast<float>(1.0 / std::sqrt(static_cast<double>(spec.shape[1])));
  RandomStream stream(source.seed, absl::StrCat(source.step, "/layer/", layer));
  std::vector<float> values(static_cast<size_t>(spec.shape[0] * spec.shape[1]));
  for (float& value : values) value = stream.UniformSymmetric(bound);
  return Rounded(values, spec.dtype);
}

GeneratedPiece RouterPiece(const RouterSource& source, int64_t layer,
                           const TensorSpec& spec) {
  return {NumBytes(spec),
          [&source, layer, spec] { return RouterBytes(source, layer, spec); }};
}

absl::Status CheckRouterFits(const GateWeights& gate_weights, int64_t layer,
                             const TensorSpec& spec) {
  const absl::Span<const float> rows = GivenRows(gate_weights, layer, spec);
  const std::optional<int64_t> found =
      FindNonFinite(spec.dtype, Rounded(rows, spec.dtype));
  if (!found.has_value()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "layers.", layer, "[", *found / spec.shape[1], ", ",
      *found % spec.shape[1], "] is ", rows[static_cast<size_t>(*found)],
      ", beyond the largest ", DtypeName(spec.dtype),
      ", in which the checkpoint's weights are stored; scale the gate weights "
      "down, or convert with --router_dtype=float32"));
}

}  // namespace moe
