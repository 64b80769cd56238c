#include "moe/align/aligned_checkpoint.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/align/align_options.pb.h"
#include "moe/align/alignment_inputs.h"
#include "moe/base/options/options.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/layer_parts.h"
#include "moe/checkpoint/artifact/scale_factors.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/checkpoint_writer.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/piece_stream.h"

namespace moe::align {
namespace {

// Whether it is the last matrix of an expert, or its bias.
bool IsOutputOfExpert(const checkpoint::TensorName& name) {
  return name.kind == checkpoint::TensorKind::kExpertDown ||
         (name.kind == checkpoint::TensorKind::kOutput && name.expert >= 0);
}

class AlignedConverter {
 public:
  // All must outlive the converter, and the factors the plan that it makes.
  AlignedConverter(const checkpoint::MoeConfig& from,
                   const checkpoint::ScaleFactors& factors,
                   const AlignOptions& options)
      : from_(from), factors_(factors), options_(options) {}

  checkpoint::MoeConfig TargetConfig() const {
    checkpoint::MoeConfig config = from_;
    config.add_rescale_bias |= HasFullParts();
    return config;
  }

  absl::StatusOr<convert::Replacement> Convert(
      const checkpoint::TensorName& name,
      const checkpoint::TensorLocation& from) const {
    if (!IsOutputOfExpert(name)) return convert::CopyAs(name, from);
    const checkpoint::TensorSpec& spec = from.tensor->spec;
    const checkpoint::ScaleFactor& factor = FactorOf(name);
    if (name.is_bias) {
      MOE_ASSIGN_OR_RETURN(const checkpoint::HostTensor tensor,
                           from.shard->ReadTensor(*from.tensor));
      std::vector<float> bias(factor.scale_bias.size());
      checkpoint::WeightsToFloat(spec.dtype, tensor.bytes,
                                 absl::MakeSpan(bias));
      return Bias(name, spec.dtype, bias);
    }
    convert::Replacement group = {
        {{checkpoint::FormatTensorName(name), spec.dtype, spec.shape}},
        {convert::ScaledRowsPiece{from, factor.scale_magnitude}}};
    if (HasBias(name) || !HasFullParts()) return group;
    checkpoint::TensorName bias_name = name;
    bias_name.is_bias = true;
    MOE_ASSIGN_OR_RETURN(
        convert::Replacement bias,
        Bias(bias_name, spec.dtype,
             std::vector<float>(factor.scale_bias.size(), 0.0f)));
    group.Add(std::move(bias));
    return group;
  }

 private:
  bool HasFullParts() const {
    return options_.alignment_parts() == AlignOptions::FULL;
  }
  bool IsAttention(const checkpoint::TensorName& name) const {
    return name.kind == checkpoint::TensorKind::kOutput;
  }
  bool HasBias(const checkpoint::TensorName& name) const {
    return from_.add_rescale_bias ||
           (IsAttention(name) ? from_.decoder.attention_bias
                              : from_.decoder.mlp_bias);
  }
  const checkpoint::ScaleFactor& FactorOf(
      const checkpoint::TensorName& name) const {
    const checkpoint::LayerParts<checkpoint::ScaleFactor>& layer =
        factors_.layers.at(name.layer);
    return IsAttention(name) ? *layer.attn : *layer.mlp;
  }

  // The bias that replaces one with the values `from`.
  absl::StatusOr<convert::Replacement> Bias(
      const checkpoint::TensorName& name, checkpoint::Dtype dtype,
      const std::vector<float>& from) const {
    const checkpoint::ScaleFactor& factor = FactorOf(name);
    const double scale_factor =
        IsAttention(name) ? from_.scale_factor_attn : from_.scale_factor;
    std::vector<float> values(from.size());
    for (size_t i = 0; i < from.size(); ++i) {
      double value = double{factor.scale_magnitude[i]} * from[i];
      if (HasFullParts()) {
        value += ExpertBias(factor.scale_bias[i], scale_factor,
                            options_.alignment_mode());
      }
      absl::StatusOr<float> rounded = RoundToWeight(dtype, value);
      MOE_RETURN_IF_ERROR(base::Annotate(
          rounded.status(),
          absl::StrCat("tensor \"", checkpoint::FormatTensorName(name),
                       "\", element ", i)));
      values[i] = *rounded;
    }
    std::string bytes(
        values.size() * static_cast<size_t>(checkpoint::DtypeSize(dtype)),
        '\0');
    checkpoint::FloatToWeights(dtype, values, absl::MakeSpan(bytes));
    return convert::Replacement{{{checkpoint::FormatTensorName(name),
                                  dtype,
                                  {static_cast<int64_t>(values.size())}}},
                                {convert::PieceOf(std::move(bytes))}};
  }

  const checkpoint::MoeConfig& from_;
  const checkpoint::ScaleFactors& factors_;
  const AlignOptions& options_;
};

absl::StatusOr<convert::ConversionPlan> PlanAligned(
    const checkpoint::Checkpoint& from, const checkpoint::ScaleFactors& factors,
    const AlignOptions& options) {
  MOE_RETURN_IF_ERROR(base::CheckOptions(options));
  MOE_RETURN_IF_ERROR(CheckAlignable(from, options));
  MOE_RETURN_IF_ERROR(CheckFactors(*from.moe_config(), factors,
                                   checkpoint::ScaleFactors::kName));
  const AlignedConverter converter(*from.moe_config(), factors, options);
  return convert::PlanMoeConversion(
      from, converter.TargetConfig(),
      [&](const checkpoint::TensorName& name,
          const checkpoint::TensorLocation& location) {
        return converter.Convert(name, location);
      });
}

// s = 1 and b = 0 for every block with experts.
checkpoint::ScaleFactors NoChange(const checkpoint::MoeConfig& config) {
  const auto size = static_cast<size_t>(config.decoder.hidden_size);
  const checkpoint::ScaleFactor one = {std::vector<float>(size, 1.0f),
                                       std::vector<float>(size, 0.0f)};
  checkpoint::ScaleFactors factors;
  for (int64_t i = 0; i < config.decoder.num_hidden_layers; ++i) {
    const checkpoint::LayerParts<bool> blocks = BlocksWithExperts(config, i);
    if (*blocks.attn) factors.layers[i].attn = one;
    if (*blocks.mlp) factors.layers[i].mlp = one;
  }
  return factors;
}

}  // namespace

absl::Status CheckAlignedOutput(const checkpoint::Checkpoint& from,
                                const AlignOptions& options,
                                const convert::ConversionOutput& output) {
  MOE_RETURN_IF_ERROR(base::CheckOptions(options));
  MOE_RETURN_IF_ERROR(CheckAlignable(from, options));
  const checkpoint::ScaleFactors factors = NoChange(*from.moe_config());
  MOE_ASSIGN_OR_RETURN(convert::ConversionPlan plan,
                       PlanAligned(from, factors, options));
  checkpoint::CheckpointWriterOptions writer_options;
  writer_options.overwrite = output.overwrite;
  writer_options.input_directory = from.directory();
  writer_options.file_system = output.file_system;
  // The destructor of the writer removes what it has begun.
  return checkpoint::CheckpointWriter::Create(
             output.path, std::move(plan.checkpoint), writer_options)
      .status();
}

absl::StatusOr<convert::WrittenCheckpoint> WriteAlignedCheckpoint(
    const checkpoint::Checkpoint& from, const checkpoint::ScaleFactors& factors,
    const AlignOptions& options, const convert::ConversionOutput& output,
    const convert::ConversionResources& resources) {
  MOE_ASSIGN_OR_RETURN(convert::ConversionPlan plan,
                       PlanAligned(from, factors, options));
  return convert::WriteConversion(std::move(plan), from, output, resources);
}

}  // namespace moe::align
