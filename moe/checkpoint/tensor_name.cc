#include "moe/checkpoint/tensor_name.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "moe/base/check.h"

namespace moe::checkpoint {
namespace {

constexpr absl::string_view kLayers = "model.layers.";
constexpr absl::string_view kWeight = ".weight";
constexpr absl::string_view kBias = ".bias";

// See IsDerivedBuffer.
constexpr absl::string_view kRotary = "rotary_emb";
constexpr std::array<absl::string_view, 7> kBuffers = {
    "inv_freq",    "original_inv_freq", "cos_cached", "sin_cached",
    "causal_mask", "masked_bias",       "attn_mask"};
constexpr std::array<absl::string_view, 3> kAttentions = {"attn", "attention",
                                                          "self_attn"};

enum class Experts { kNever, kOptional, kAlways };

// `pattern` has the expert's number after its `before` part: `before` [.
// EXPERT] `after`. A part of no layer is written in full.
struct Part {
  TensorKind kind;
  bool in_layer;
  Experts experts;
  absl::string_view before;
  absl::string_view after;
};

constexpr std::array<Part, 23> kNameParts = {{
    {TensorKind::kEmbedding, false, Experts::kNever, "model.embed_tokens", ""},
    {TensorKind::kFinalNorm, false, Experts::kNever, "model.norm", ""},
    {TensorKind::kLmHead, false, Experts::kNever, "lm_head", ""},
    {TensorKind::kInputNorm, true, Experts::kNever, "input_layernorm", ""},
    {TensorKind::kPostAttentionNorm, true, Experts::kNever,
     "post_attention_layernorm", ""},
    {TensorKind::kQuery, true, Experts::kOptional, "self_attn.q_proj", ""},
    {TensorKind::kKey, true, Experts::kOptional, "self_attn.k_proj", ""},
    {TensorKind::kValue, true, Experts::kOptional, "self_attn.v_proj", ""},
    {TensorKind::kOutput, true, Experts::kOptional, "self_attn.o_proj", ""},
    {TensorKind::kAttentionRouter, true, Experts::kNever, "self_attn.gate", ""},
    {TensorKind::kMlpGate, true, Experts::kNever, "mlp.gate_proj", ""},
    {TensorKind::kMlpUp, true, Experts::kNever, "mlp.up_proj", ""},
    {TensorKind::kMlpDown, true, Experts::kNever, "mlp.down_proj", ""},
    {TensorKind::kRouter, true, Experts::kNever, "block_sparse_moe.gate", ""},
    {TensorKind::kContractGate, true, Experts::kNever, "block_sparse_moe.w1",
     ""},
    {TensorKind::kContractUp, true, Experts::kNever, "block_sparse_moe.w3", ""},
    {TensorKind::kContractDown, true, Experts::kNever, "block_sparse_moe.w2",
     ""},
    {TensorKind::kExpertGate, true, Experts::kAlways,
     "block_sparse_moe.experts", ".w1"},
    {TensorKind::kExpertUp, true, Experts::kAlways, "block_sparse_moe.experts",
     ".w3"},
    {TensorKind::kExpertDown, true, Experts::kAlways,
     "block_sparse_moe.experts", ".w2"},
    {TensorKind::kResidualGate, true, Experts::kNever, "mlp_residual.w1", ""},
    {TensorKind::kResidualUp, true, Experts::kNever, "mlp_residual.w3", ""},
    {TensorKind::kResidualDown, true, Experts::kNever, "mlp_residual.w2", ""},
}};

// A decimal number that formatting gives back: no sign, no leading zero.
std::optional<int64_t> ParseNumber(absl::string_view text) {
  int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value) || value < 0 ||
      absl::StrCat(value) != text) {
    return std::nullopt;
  }
  return value;
}

// Splits "12.rest" into 12 and "rest".
std::optional<int64_t> ConsumeNumber(absl::string_view* text) {
  const size_t dot = text->find('.');
  if (dot == absl::string_view::npos) return std::nullopt;
  const std::optional<int64_t> value = ParseNumber(text->substr(0, dot));
  text->remove_prefix(dot + 1);
  return value;
}

// Whether `inner` is of this part; sets `expert` where it has one.
bool Matches(const Part& part, absl::string_view inner, int64_t* expert) {
  *expert = -1;
  if (part.experts != Experts::kAlways &&
      inner == absl::StrCat(part.before, part.after)) {
    return true;
  }
  if (part.experts == Experts::kNever ||
      !absl::ConsumePrefix(&inner, part.before) ||
      !absl::ConsumePrefix(&inner, ".") ||
      !absl::ConsumeSuffix(&inner, part.after)) {
    return false;
  }
  const std::optional<int64_t> number = ParseNumber(inner);
  if (!number.has_value()) return false;
  *expert = *number;
  return true;
}

}  // namespace

std::optional<TensorName> ParseTensorName(absl::string_view text) {
  TensorName name;
  name.is_bias = absl::ConsumeSuffix(&text, kBias);
  if (!name.is_bias && !absl::ConsumeSuffix(&text, kWeight)) {
    return std::nullopt;
  }
  const bool in_layer = absl::ConsumePrefix(&text, kLayers);
  if (in_layer) {
    const std::optional<int64_t> layer = ConsumeNumber(&text);
    if (!layer.has_value()) return std::nullopt;
    name.layer = *layer;
  }
  for (const Part& part : kNameParts) {
    if (part.in_layer == in_layer && Matches(part, text, &name.expert)) {
      name.kind = part.kind;
      return name;
    }
  }
  return std::nullopt;
}

std::string FormatTensorName(const TensorName& name) {
  const Part& part = kNameParts[static_cast<size_t>(name.kind)];
  MOE_CHECK(part.kind == name.kind);
  MOE_CHECK(part.in_layer == (name.layer >= 0));
  MOE_CHECK(part.experts == Experts::kOptional ||
            (part.experts == Experts::kAlways) == (name.expert >= 0));
  return absl::StrCat(
      part.in_layer ? absl::StrCat(kLayers, name.layer, ".") : "", part.before,
      name.expert >= 0 ? absl::StrCat(".", name.expert) : "", part.after,
      name.is_bias ? kBias : kWeight);
}

bool IsDerivedBuffer(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '.');
  if (std::find(parts.begin(), parts.end() - 1, kRotary) != parts.end() - 1) {
    return true;
  }
  if (std::find(kBuffers.begin(), kBuffers.end(), parts.back()) !=
      kBuffers.end()) {
    return true;
  }
  return parts.size() > 1 && parts.back() == "bias" &&
         std::find(kAttentions.begin(), kAttentions.end(),
                   parts[parts.size() - 2]) != kAttentions.end();
}

namespace {

constexpr absl::string_view kEmbedding = "embed_tokens.weight";
constexpr absl::string_view kModel = "model.";
constexpr absl::string_view kHead = "lm_head.";

// The text before "embed_tokens.weight"; nothing if no name, or more than one,
// ends with it.
std::optional<absl::string_view> BeforeEmbedding(
    const std::vector<std::string>& names) {
  std::optional<absl::string_view> found;
  for (absl::string_view name : names) {
    if (!absl::ConsumeSuffix(&name, kEmbedding)) continue;
    if (!name.empty() && name.back() != '.') continue;
    if (found.has_value()) return std::nullopt;
    found = name;
  }
  return found;
}

size_t SharedParts(const std::vector<absl::string_view>& a,
                   const std::vector<absl::string_view>& b) {
  return static_cast<size_t>(
      std::mismatch(a.rbegin(), a.rend(), b.rbegin(), b.rend()).first -
      a.rbegin());
}

}  // namespace

std::string NamePrefix::ModelName(absl::string_view name) const {
  absl::ConsumePrefix(&name, wrapper);
  if (!lacks_model || absl::StartsWith(name, kHead)) return std::string(name);
  return absl::StrCat(kModel, name);
}

NamePrefix FindNamePrefix(const std::vector<std::string>& names) {
  const std::optional<absl::string_view> before = BeforeEmbedding(names);
  if (!before.has_value()) return {};
  absl::string_view wrapper = *before;
  NamePrefix prefix;
  prefix.lacks_model = wrapper != kModel && !absl::EndsWith(wrapper, ".model.");
  if (!prefix.lacks_model) absl::ConsumeSuffix(&wrapper, kModel);
  prefix.wrapper = std::string(wrapper);
  const bool all_have_it =
      std::all_of(names.begin(), names.end(), [&](const std::string& name) {
        return absl::StartsWith(name, prefix.wrapper);
      });
  return all_have_it ? prefix : NamePrefix();
}

std::string NearestTensorName(absl::string_view wanted,
                              const std::vector<std::string>& names) {
  if (names.empty()) return "";
  const std::vector<absl::string_view> parts = absl::StrSplit(wanted, '.');
  std::string nearest = names[0];
  size_t most = 1;
  for (const std::string& name : names) {
    const size_t shared = SharedParts(parts, absl::StrSplit(name, '.'));
    if (shared <= most) continue;
    most = shared;
    nearest = name;
  }
  return nearest;
}

}  // namespace moe::checkpoint
