// config.json of a dense LLaMA checkpoint, as Hugging Face transformers writes
// it.

#ifndef MOE_CHECKPOINT_LLAMA_CONFIG_H_
#define MOE_CHECKPOINT_LLAMA_CONFIG_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/checkpoint/dtype.h"

namespace moe::checkpoint {

enum class RopeType { kDefault, kLinear, kDynamic, kLlama3 };

// Rotary position embedding. The frequency of a pair of features is
// theta^(-2i / head_dim) before scaling.
struct RopeConfig {
  RopeType type = RopeType::kDefault;
  double theta = 10000.0;
  double factor = 1.0;  // All types but the default.
  // kLlama3 only.
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  // kLlama3: of the file. kDynamic: max_position_embeddings where not given.
  int64_t original_max_position_embeddings = 0;

  friend bool operator==(const RopeConfig&, const RopeConfig&) = default;
};

// The configuration of the decoder. Absent fields have the defaults of
// transformers' LlamaConfig, except the sizes that every model needs
// (hidden_size, intermediate_size, num_attention_heads, num_hidden_layers,
// vocab_size), which must be there.
struct LlamaConfig {
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t num_key_value_heads = 0;  // Default: num_attention_heads.
  int64_t head_dim = 0;  // Default: hidden_size / num_attention_heads.
  int64_t max_position_embeddings = 2048;
  double rms_norm_eps = 1e-6;
  RopeConfig rope;
  bool tie_word_embeddings = false;
  bool attention_bias = false;
  bool mlp_bias = false;
  // The value of `dtype` (newer files) or `torch_dtype`; absent if neither is
  // given.
  std::optional<Dtype> dtype;
  // The whole document without quantization_config. It keeps the fields that
  // are not named above.
  base::Json document;
  // Null if there is none. The tensors tell whether weights are quantized: see
  // CheckNotQuantized.
  base::Json quantization_config;

  // Width of the queries: num_attention_heads * head_dim.
  int64_t QuerySize() const { return num_attention_heads * head_dim; }
  // Width of the keys and of the values.
  int64_t KeyValueSize() const { return num_key_value_heads * head_dim; }
};

// Reads the fields that a dense LLaMA and an MoE made from one share; does not
// look at model_type. `rope_theta` and `rope_scaling` are read in the form of
// transformers 4, `rope_parameters` in that of 5. InvalidArgument names the
// field that is missing, malformed or contradicts another; Unimplemented names
// what is not supported (an activation other than silu, another type of RoPE
// scaling).
absl::StatusOr<LlamaConfig> ParseDecoderConfig(base::Json document);

// As ParseDecoderConfig, from text; Unimplemented unless model_type is "llama".
absl::StatusOr<LlamaConfig> ParseLlamaConfig(absl::string_view text);

}  // namespace moe::checkpoint

#endif  // MOE_CHECKPOINT_LLAMA_CONFIG_H_
