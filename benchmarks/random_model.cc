#include "benchmarks/random_model.h"

#include <stdlib.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/check.h"
#include "moe/base/philox.h"
#include "moe/base/spill_file.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/checkpoint_writer.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_set.h"
#include "moe/text/dataset/token_batches.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::benchmarks {
namespace {

std::string RandomBytes(const checkpoint::TensorSpec& tensor) {
  base::RandomStream stream(/*seed=*/1, tensor.name);
  const auto bound = static_cast<float>(
      std::sqrt(3.0 / static_cast<double>(tensor.shape.back())));
  std::string bytes(static_cast<size_t>(checkpoint::NumBytes(tensor)), '\0');
  for (size_t at = 0; at < bytes.size(); at += sizeof(uint16_t)) {
    const float value =
        tensor.shape.size() == 1 ? 1.0f : stream.UniformSymmetric(bound);
    const auto half =
        static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16);
    std::memcpy(bytes.data() + at, &half, sizeof(half));
  }
  return bytes;
}

checkpoint::TensorSet TensorsOf(const checkpoint::CheckpointConfig& config) {
  const auto* const moe = std::get_if<checkpoint::MoeConfig>(&config);
  return moe != nullptr ? checkpoint::MoeTensorSet(*moe)
                        : checkpoint::DenseTensorSet(
                              std::get<checkpoint::LlamaConfig>(config));
}

}  // namespace

RandomCheckpoint::RandomCheckpoint(absl::string_view config_text) {
  std::string path = absl::StrCat(base::SpillDirectory(), "/model-XXXXXX");
  MOE_CHECK(::mkdtemp(path.data()) != nullptr);
  directory_ = path;
  checkpoint::CheckpointPlan plan;
  plan.contents[checkpoint::kConfigFile] = std::string(config_text);
  plan.shards.push_back({"model.safetensors", {}, {{"format", "pt"}}});
  const checkpoint::CheckpointConfig config =
      checkpoint::ParseCheckpointConfig(config_text).value();
  for (const auto& [name, shape] : TensorsOf(config)) {
    plan.shards[0].tensors.push_back({name, checkpoint::Dtype::kBF16, shape});
  }
  const auto writer =
      checkpoint::CheckpointWriter::Create(this->path(), plan, {}).value();
  for (const checkpoint::TensorSpec& tensor : plan.shards[0].tensors) {
    MOE_CHECK(writer->Append(RandomBytes(tensor)).ok());
  }
  MOE_CHECK(writer->Finish().ok());
}

RandomCheckpoint::~RandomCheckpoint() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string RandomCheckpoint::path() const {
  return absl::StrCat(directory_, "/checkpoint");
}

text::TokenBatches RandomTokens(int64_t num_sequences, int64_t num_tokens,
                                int64_t vocab_size) {
  base::RandomStream stream(/*seed=*/1, "tokens");
  text::TokenSequences sequences;
  for (int64_t s = 0; s < num_sequences; ++s) {
    std::vector<int32_t> ids;
    for (int64_t t = 0; t < num_tokens; ++t) {
      ids.push_back(static_cast<int32_t>(
          stream.UniformInt(static_cast<uint64_t>(vocab_size))));
    }
    sequences.Append(ids, ids);
  }
  return text::TokenBatches(std::move(sequences), /*batch_size=*/1);
}

}  // namespace moe::benchmarks
