#include "moe/evaluate/inspect_report.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/byte_size.h"
#include "moe/base/escape_control.h"
#include "moe/base/file_system.h"
#include "moe/base/json.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/tensor.h"
#include "moe/evaluate/inspect.h"
#include "moe/evaluate/tensor_source.h"

namespace moe::evaluate {
namespace {

// A group with more tensors shows only their number.
constexpr size_t kMaxTensorsOfGroup = 12;

const checkpoint::MoeConfig* MoePart(const Inspection& inspection) {
  return inspection.config.has_value()
             ? std::get_if<checkpoint::MoeConfig>(&*inspection.config)
             : nullptr;
}

std::string Row(absl::string_view name, absl::string_view value) {
  return absl::StrFormat("  %-19s %s\n", name, value);
}

absl::string_view RopeTypeName(checkpoint::RopeType type) {
  switch (type) {
    case checkpoint::RopeType::kDefault:
      return "default";
    case checkpoint::RopeType::kLinear:
      return "linear";
    case checkpoint::RopeType::kDynamic:
      return "dynamic";
    case checkpoint::RopeType::kLlama3:
      return "llama3";
  }
  return "";
}

std::string FormatRope(const checkpoint::RopeConfig& rope) {
  std::string text = absl::StrCat("theta ", rope.theta);
  if (rope.type == checkpoint::RopeType::kDefault) return text + ", no scaling";
  absl::StrAppend(&text, ", scaling ", RopeTypeName(rope.type), " with factor ",
                  rope.factor);
  if (rope.type == checkpoint::RopeType::kLlama3) {
    absl::StrAppend(&text, ", frequency factors ", rope.low_freq_factor, " to ",
                    rope.high_freq_factor);
  }
  if (rope.original_max_position_embeddings > 0) {
    absl::StrAppend(&text, ", over ", rope.original_max_position_embeddings,
                    " positions");
  }
  return text;
}

std::string FormatBiases(const checkpoint::LlamaConfig& config) {
  if (config.attention_bias)
    return config.mlp_bias ? "attention, MLP" : "attention";
  return config.mlp_bias ? "MLP" : "none";
}

std::string FormatDecoder(const checkpoint::LlamaConfig& config) {
  return absl::StrCat(
      Row("layers", absl::StrCat(config.num_hidden_layers)),
      Row("hidden size", absl::StrCat(config.hidden_size)),
      Row("intermediate size", absl::StrCat(config.intermediate_size)),
      Row("attention",
          absl::StrCat(config.num_attention_heads, " heads, ",
                       config.num_key_value_heads,
                       " key/value heads, head dim ", config.head_dim)),
      Row("vocabulary",
          absl::StrCat(config.vocab_size, config.tie_word_embeddings
                                              ? ", tied embeddings"
                                              : ", untied embeddings")),
      Row("positions", absl::StrCat(config.max_position_embeddings)),
      Row("RoPE", FormatRope(config.rope)),
      Row("RMSNorm epsilon", absl::StrCat(config.rms_norm_eps)),
      Row("biases", FormatBiases(config)));
}

std::string FormatMoe(const checkpoint::MoeConfig& config) {
  std::string text;
  if (config.num_local_experts > 0) {
    text += Row("experts", absl::StrCat(config.num_local_experts, " of size ",
                                        config.expert_intermediate_size, ", ",
                                        config.num_experts_per_tok,
                                        " for each token, scale factor ",
                                        config.scale_factor));
  }
  if (config.intermediate_size_residual.has_value()) {
    text += Row("residual expert",
                absl::StrCat("size ", *config.intermediate_size_residual));
  }
  if (config.use_attn_moe) {
    text += Row("attention experts",
                absl::StrCat(config.attn_experts, ", ", config.top_k_attn,
                             " for each token, scale factor ",
                             config.scale_factor_attn));
  }
  absl::StrAppend(
      &text,
      Row("contract layers", absl::StrCat(config.num_moe_contract_layers,
                                          " dense layers at each end")),
      Row("alignment biases", config.add_rescale_bias ? "yes" : "no"));
  return text;
}

// ", artifact tokens", of a file whose metadata say so.
std::string ArtifactKind(const Inspection& inspection) {
  if (inspection.kind == SourceKind::kDirectory || inspection.files.empty()) {
    return "";
  }
  const auto& metadata = inspection.files[0].metadata;
  const auto found = metadata.find("artifact");
  return found == metadata.end()
             ? ""
             : absl::StrCat(", artifact ", base::EscapeControl(found->second));
}

// The model_type of an inspected checkpoint.
absl::string_view ModelType(const Inspection& inspection) {
  const checkpoint::MoeConfig* const moe = MoePart(inspection);
  return moe != nullptr ? checkpoint::ModelTypeOf(*moe) : "llama";
}

std::string Title(const Inspection& inspection) {
  const absl::string_view what =
      !inspection.config.has_value()   ? SourceKindName(inspection.kind)
      : MoePart(inspection) != nullptr ? "MoE checkpoint made from LLaMA"
                                       : "dense LLaMA checkpoint";
  const std::string model_type =
      inspection.config.has_value()
          ? absl::StrCat(" (model_type ", ModelType(inspection), ")")
          : "";
  return absl::StrCat(base::EscapeControl(inspection.path), ": ", what,
                      model_type, ArtifactKind(inspection), "\n");
}

std::string FormatDtypes(const Inspection& inspection) {
  std::vector<std::string> parts;
  for (const auto& [dtype, count] : inspection.dtypes) {
    parts.push_back(
        absl::StrCat(checkpoint::DtypeName(dtype), " (", count.num_tensors,
                     count.num_tensors == 1 ? " tensor)" : " tensors)"));
  }
  return parts.empty() ? "none" : absl::StrJoin(parts, ", ");
}

std::string FormatTotals(const Inspection& inspection) {
  std::string text;
  if (inspection.config.has_value()) {
    text += Row("parameters", base::WithCommas(inspection.num_parameters));
    if (MoePart(inspection) != nullptr) {
      text += Row(
          "active per token",
          absl::StrFormat(
              "%s (%.1f%%)", base::WithCommas(inspection.num_active_parameters),
              100.0 * static_cast<double>(inspection.num_active_parameters) /
                  static_cast<double>(inspection.num_parameters)));
    }
  } else {
    text += Row("elements", base::WithCommas(inspection.num_parameters));
  }
  absl::StrAppend(
      &text, Row("dtypes", FormatDtypes(inspection)),
      Row("size",
          absl::StrCat(base::FormatByteSize(inspection.num_bytes), " (",
                       base::WithCommas(inspection.num_bytes), " bytes)")));
  if (inspection.values_checked) {
    text += Row("values", "checked: no NaN, no infinity");
  }
  return text;
}

// What a layer of a checkpoint computes.
std::string DescribeLayer(const checkpoint::CheckpointConfig& config,
                          int64_t layer) {
  const auto* const moe = std::get_if<checkpoint::MoeConfig>(&config);
  const checkpoint::LlamaConfig& decoder = checkpoint::DecoderConfig(config);
  const bool dense = moe == nullptr || moe->IsContractLayer(layer);
  std::string text = !dense && moe->use_attn_moe
                         ? absl::StrCat(moe->attn_experts, " attention experts")
                         : "dense attention";
  if (dense || moe->num_local_experts == 0) {
    return absl::StrCat(text, ", dense MLP of ", decoder.intermediate_size);
  }
  absl::StrAppend(&text, ", ", moe->num_local_experts, " experts of ",
                  moe->expert_intermediate_size);
  if (moe->intermediate_size_residual.has_value()) {
    absl::StrAppend(&text, ", residual expert of ",
                    *moe->intermediate_size_residual);
  }
  return text;
}

std::string Numbers(const NumberedTensors& group) {
  return group.first == group.last ? absl::StrCat(group.first)
                                   : absl::StrCat(group.first, "-", group.last);
}

std::string NameAndSpec(const checkpoint::TensorSpec& spec) {
  return absl::StrCat(base::EscapeControl(spec.name), "  ",
                      checkpoint::FormatSpec(spec));
}

std::string FileName(const SourceFile& file) {
  return base::EscapeControl(base::SplitPath(file.path).name);
}

// One line for a group of one tensor each; otherwise one more for each tensor.
std::string FormatGroup(const Inspection& inspection,
                        const NumberedTensors& group) {
  const std::string name =
      absl::StrCat(base::EscapeControl(group.prefix), Numbers(group));
  if (group.tensors.size() == 1) {
    return absl::StrCat("  ", name, NameAndSpec(group.tensors[0]), "\n");
  }
  std::string text = absl::StrCat(
      "  ", name, "  ", group.first == group.last ? "" : "each ",
      group.tensors.size(), " tensors, ",
      base::WithCommas(group.num_parameters),
      inspection.config.has_value() ? " parameters, " : " elements, ",
      base::FormatByteSize(group.num_bytes));
  if (inspection.config.has_value()) {
    return absl::StrCat(text, ": ",
                        DescribeLayer(*inspection.config, group.first), "\n");
  }
  text += "\n";
  if (group.tensors.size() > kMaxTensorsOfGroup) return text;
  for (const checkpoint::TensorSpec& tensor : group.tensors) {
    absl::StrAppend(&text, "    ", NameAndSpec(tensor), "\n");
  }
  return text;
}

std::string FormatContents(const Inspection& inspection) {
  std::string text = absl::StrCat("tensors: ", inspection.tensors.size(), "\n");
  for (const checkpoint::TensorSpec& tensor : inspection.others) {
    absl::StrAppend(&text, "  ", NameAndSpec(tensor), "\n");
  }
  for (const NumberedTensors& group : inspection.groups) {
    text += FormatGroup(inspection, group);
  }
  return text;
}

std::string FormatFiles(const Inspection& inspection) {
  std::string text = "files:\n";
  for (const SourceFile& file : inspection.files) {
    absl::StrAppend(&text, "  ", FileName(file), "  ",
                    base::FormatByteSize(static_cast<int64_t>(file.size_bytes)),
                    ", ", file.num_tensors,
                    file.num_tensors == 1 ? " tensor\n" : " tensors\n");
    for (const auto& [key, value] : file.metadata) {
      absl::StrAppend(&text, "    ", base::EscapeControl(key), ": ",
                      base::EscapeControl(value), "\n");
    }
  }
  if (!inspection.companion_files.empty()) {
    absl::StrAppend(
        &text, "  beside them: ",
        base::EscapeControl(absl::StrJoin(inspection.companion_files, ", ")),
        "\n");
  }
  if (inspection.digests.empty()) return text;
  text += "sha256:\n";
  for (const auto& [name, digest] : inspection.digests) {
    absl::StrAppend(&text, "  ", digest, "  ", base::EscapeControl(name), "\n");
  }
  return text;
}

std::string FormatTensorTable(const Inspection& inspection) {
  size_t width = 4;
  for (const SourceTensor& tensor : inspection.tensors) {
    width = std::max(width, base::EscapeControl(tensor.spec.name).size());
  }
  const int columns = static_cast<int>(std::min<size_t>(width, 80));
  std::string text =
      absl::StrFormat("%-*s  %-7s %-16s %12s %14s  %s\n", columns, "name",
                      "dtype", "shape", "bytes", "offset", "file");
  for (const SourceTensor& tensor : inspection.tensors) {
    absl::StrAppendFormat(&text, "%-*s  %-7s %-16s %12d %14s  %s\n", columns,
                          base::EscapeControl(tensor.spec.name),
                          checkpoint::DtypeName(tensor.spec.dtype),
                          checkpoint::FormatShape(tensor.spec.shape),
                          checkpoint::NumBytes(tensor.spec),
                          tensor.offset_bytes.has_value()
                              ? absl::StrCat(*tensor.offset_bytes)
                              : "-",
                          FileName(inspection.files[tensor.file]));
  }
  return text;
}

base::Json RopeToJson(const checkpoint::RopeConfig& rope) {
  base::Json json = {{"type", RopeTypeName(rope.type)}, {"theta", rope.theta}};
  if (rope.type == checkpoint::RopeType::kDefault) return json;
  json["factor"] = rope.factor;
  if (rope.type == checkpoint::RopeType::kLlama3) {
    json["low_freq_factor"] = rope.low_freq_factor;
    json["high_freq_factor"] = rope.high_freq_factor;
  }
  if (rope.original_max_position_embeddings > 0) {
    json["original_max_position_embeddings"] =
        rope.original_max_position_embeddings;
  }
  return json;
}

base::Json DecoderToJson(const checkpoint::LlamaConfig& config) {
  return {{"num_hidden_layers", config.num_hidden_layers},
          {"hidden_size", config.hidden_size},
          {"dense_intermediate_size", config.intermediate_size},
          {"num_attention_heads", config.num_attention_heads},
          {"num_key_value_heads", config.num_key_value_heads},
          {"head_dim", config.head_dim},
          {"vocab_size", config.vocab_size},
          {"tie_word_embeddings", config.tie_word_embeddings},
          {"max_position_embeddings", config.max_position_embeddings},
          {"rope", RopeToJson(config.rope)},
          {"rms_norm_eps", config.rms_norm_eps},
          {"attention_bias", config.attention_bias},
          {"mlp_bias", config.mlp_bias}};
}

base::Json MoeToJson(const checkpoint::MoeConfig& config) {
  base::Json json = base::Json::object();
  json["num_local_experts"] = config.num_local_experts;
  if (config.num_local_experts > 0) {
    json["num_experts_per_tok"] = config.num_experts_per_tok;
    json["intermediate_size"] = config.expert_intermediate_size;
    json["scale_factor"] = config.scale_factor;
  }
  if (config.intermediate_size_residual.has_value()) {
    json["intermediate_size_residual"] = *config.intermediate_size_residual;
  }
  json["num_moe_contract_layers"] = config.num_moe_contract_layers;
  json["use_attn_moe"] = config.use_attn_moe;
  if (config.use_attn_moe) {
    json["attn_experts"] = config.attn_experts;
    json["top_k_attn"] = config.top_k_attn;
    json["scale_factor_attn"] = config.scale_factor_attn;
  }
  json["add_rescale_bias"] = config.add_rescale_bias;
  return json;
}

base::Json SpecToJson(const checkpoint::TensorSpec& spec) {
  return {{"name", spec.name},
          {"dtype", checkpoint::DtypeName(spec.dtype)},
          {"shape", spec.shape},
          {"bytes", checkpoint::NumBytes(spec)}};
}

base::Json GroupToJson(const NumberedTensors& group) {
  return {{"prefix", group.prefix},
          {"first", group.first},
          {"last", group.last},
          {"num_tensors_each", group.tensors.size()},
          {"num_parameters_each", group.num_parameters},
          {"bytes_each", group.num_bytes}};
}

base::Json FileToJson(const SourceFile& file) {
  return {{"name", base::SplitPath(file.path).name},
          {"bytes", file.size_bytes},
          {"num_tensors", file.num_tensors},
          {"metadata", file.metadata}};
}

base::Json TensorsToJson(const Inspection& inspection) {
  base::Json tensors = base::Json::array();
  for (const SourceTensor& tensor : inspection.tensors) {
    base::Json json = SpecToJson(tensor.spec);
    json["file"] = base::SplitPath(inspection.files[tensor.file].path).name;
    if (tensor.offset_bytes.has_value()) json["offset"] = *tensor.offset_bytes;
    tensors.push_back(std::move(json));
  }
  return tensors;
}

// Counts, dtypes and groups.
void AddTotals(const Inspection& inspection, base::Json& json) {
  json["num_tensors"] = inspection.tensors.size();
  json["num_parameters"] = inspection.num_parameters;
  if (MoePart(inspection) != nullptr) {
    json["num_active_parameters"] = inspection.num_active_parameters;
  }
  json["bytes"] = inspection.num_bytes;
  json["dtypes"] = base::Json::object();
  for (const auto& [dtype, count] : inspection.dtypes) {
    json["dtypes"][std::string(checkpoint::DtypeName(dtype))] =
        count.num_tensors;
  }
  json["groups"] = base::Json::array();
  for (const NumberedTensors& group : inspection.groups) {
    json["groups"].push_back(GroupToJson(group));
  }
  json["values_checked"] = inspection.values_checked;
}

}  // namespace

std::string FormatInspection(const Inspection& inspection, bool list_tensors) {
  std::string text = Title(inspection);
  if (inspection.config.has_value()) {
    text += FormatDecoder(checkpoint::DecoderConfig(*inspection.config));
    if (const checkpoint::MoeConfig* const moe = MoePart(inspection)) {
      text += FormatMoe(*moe);
    }
  }
  absl::StrAppend(&text, FormatTotals(inspection), FormatContents(inspection),
                  FormatFiles(inspection));
  if (list_tensors) text += FormatTensorTable(inspection);
  return text;
}

base::Json InspectionToJson(const Inspection& inspection, bool list_tensors) {
  const checkpoint::MoeConfig* const moe = MoePart(inspection);
  base::Json json = {{"path", inspection.path},
                     {"kind", inspection.config.has_value()
                                  ? "checkpoint"
                                  : SourceKindName(inspection.kind)}};
  if (inspection.config.has_value()) {
    json["model_type"] = ModelType(inspection);
    json["decoder"] =
        DecoderToJson(checkpoint::DecoderConfig(*inspection.config));
    if (moe != nullptr) json["moe"] = MoeToJson(*moe);
  }
  AddTotals(inspection, json);
  json["files"] = base::Json::array();
  for (const SourceFile& file : inspection.files) {
    json["files"].push_back(FileToJson(file));
  }
  json["companion_files"] = inspection.companion_files;
  if (!inspection.digests.empty()) {
    base::Json& digests = json["sha256"] = base::Json::object();
    for (const auto& [name, digest] : inspection.digests) {
      digests[name] = digest;
    }
  }
  if (list_tensors) json["tensors"] = TensorsToJson(inspection);
  return json;
}

}  // namespace moe::evaluate
