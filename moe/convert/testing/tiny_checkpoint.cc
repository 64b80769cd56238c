#include "moe/convert/testing/tiny_checkpoint.h"

#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/json.h"
#include "moe/base/philox.h"
#include "moe/checkpoint/checkpoint_writer.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_set.h"

namespace moe::convert::testing {
namespace {

base::Json Document(const TinyModel& model) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"vocab_size", 8},
          {"hidden_size", model.hidden_size},
          {"intermediate_size", model.intermediate_size},
          {"num_hidden_layers", model.num_layers},
          {"num_attention_heads", model.num_heads},
          {"num_key_value_heads", model.num_key_value_heads},
          {"head_dim", model.head_dim},
          {"attention_bias", model.attention_bias},
          {"mlp_bias", model.mlp_bias},
          {"tie_word_embeddings", model.tied},
          {"rope_theta", 500000.0},
          {"bos_token_id", 3}};
}

std::string RandomBytes(const checkpoint::TensorSpec& spec) {
  base::RandomStream stream(0, spec.name);
  std::vector<float> values(
      static_cast<size_t>(NumBytes(spec) / checkpoint::DtypeSize(spec.dtype)));
  for (float& value : values) value = stream.UniformSymmetric(1.0f);
  std::string bytes(static_cast<size_t>(NumBytes(spec)), '\0');
  checkpoint::FloatToWeights(spec.dtype, values, absl::MakeSpan(bytes));
  return bytes;
}

void WriteRandom(const TinyModel& model, const std::string& config,
                 const checkpoint::TensorSet& tensors,
                 const std::string& directory) {
  checkpoint::CheckpointPlan plan;
  plan.contents["config.json"] = config;
  plan.contents["tokenizer.json"] = "{\"not\": \"one\"}\n";
  plan.has_index = model.num_shards > 1;
  for (int64_t i = 1; i <= model.num_shards; ++i) {
    plan.shards.push_back(
        {plan.has_index ? absl::StrFormat("model-%05d-of-%05d.safetensors", i,
                                          model.num_shards)
                        : std::string("model.safetensors"),
         {},
         {{"format", "pt"}}});
  }
  int64_t next = 0;
  for (const auto& [name, shape] : tensors) {
    plan.shards[static_cast<size_t>(next++ % model.num_shards)]
        .tensors.push_back({name, model.dtype, shape});
  }
  const std::unique_ptr<checkpoint::CheckpointWriter> writer =
      checkpoint::CheckpointWriter::Create(directory, plan, {}).value();
  for (const checkpoint::ShardPlan& shard : plan.shards) {
    for (const checkpoint::TensorSpec& spec : shard.tensors) {
      MOE_CHECK(writer->Append(RandomBytes(spec)).ok());
    }
  }
  MOE_CHECK(writer->Finish().ok());
}

}  // namespace

void WriteTinyModel(const TinyModel& model, const std::string& directory) {
  const std::string config = base::FormatJson(Document(model));
  WriteRandom(
      model, config,
      checkpoint::DenseTensorSet(checkpoint::ParseLlamaConfig(config).value()),
      directory);
}

void WriteTinyMoe(checkpoint::MoeConfig config, const TinyModel& model,
                  const std::string& directory) {
  TinyModel dense = model;
  dense.attention_bias = config.decoder.attention_bias;
  dense.mlp_bias = config.decoder.mlp_bias;
  if (config.decoder.head_dim > 0) dense.head_dim = config.decoder.head_dim;
  config.decoder =
      checkpoint::ParseLlamaConfig(base::FormatJson(Document(dense))).value();
  if (config.num_local_experts == 0) {
    config.num_local_experts = 4;
    config.num_experts_per_tok = 2;
    config.expert_intermediate_size = 6;
  }
  MOE_CHECK(checkpoint::ValidateMoeConfig(config).ok());
  WriteRandom(dense, checkpoint::FormatMoeConfig(config),
              checkpoint::MoeTensorSet(config), directory);
}

checkpoint::HostTensors ReadTensors(absl::string_view directory) {
  const checkpoint::ShardedTensors tensors =
      checkpoint::ShardedTensors::Open(directory).value();
  checkpoint::HostTensors all;
  for (const checkpoint::SafetensorsFile& shard : tensors.shards()) {
    for (const checkpoint::SafetensorsTensor& tensor : shard.tensors()) {
      all[tensor.spec.name] = shard.ReadTensor(tensor).value();
    }
  }
  return all;
}

checkpoint::HostTensor Select(const checkpoint::HostTensor& from, size_t axis,
                              const std::vector<int64_t>& indices) {
  checkpoint::HostTensor to = {from.dtype, from.shape, ""};
  to.shape[axis] = static_cast<int64_t>(indices.size());
  const int64_t num_cols = from.shape.size() == 2 ? from.shape[1] : 1;
  const int64_t num_rows = from.shape[0];
  const auto add = [&](int64_t row, int64_t col) {
    const auto size = static_cast<size_t>(checkpoint::DtypeSize(from.dtype));
    to.bytes += from.bytes.substr(
        static_cast<size_t>(row * num_cols + col) * size, size);
  };
  if (axis == 0) {
    for (const int64_t row : indices) {
      for (int64_t col = 0; col < num_cols; ++col) add(row, col);
    }
  } else {
    for (int64_t row = 0; row < num_rows; ++row) {
      for (const int64_t col : indices) add(row, col);
    }
  }
  return to;
}

checkpoint::HostTensor Twice(checkpoint::HostTensor tensor) {
  std::vector<float> values(
      static_cast<size_t>(static_cast<int64_t>(tensor.bytes.size()) /
                          checkpoint::DtypeSize(tensor.dtype)));
  checkpoint::WeightsToFloat(tensor.dtype, tensor.bytes,
                             absl::MakeSpan(values));
  for (float& value : values) value *= 2.0f;
  checkpoint::FloatToWeights(tensor.dtype, values,
                             absl::MakeSpan(tensor.bytes));
  return tensor;
}

std::vector<int64_t> Numbers(int64_t begin, int64_t end) {
  std::vector<int64_t> numbers(static_cast<size_t>(end - begin));
  std::iota(numbers.begin(), numbers.end(), begin);
  return numbers;
}

}  // namespace moe::convert::testing
