#include "moe/convert/convert_mlp.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/new_weights.h"
#include "moe/convert/testing/mlp_case.h"
#include "moe/convert/testing/tiny_checkpoint.h"

namespace moe::convert {
namespace {

using ::moe::base::testing::TempDirectory;
using ::moe::convert::testing::Convert;
using ::moe::convert::testing::GivenArtifacts;
using ::moe::convert::testing::GivenOf;
using ::moe::convert::testing::MlpCase;
using ::moe::convert::testing::Numbers;
using ::moe::convert::testing::OptionsOf;
using ::moe::convert::testing::ReadTensors;
using ::moe::convert::testing::Select;
using ::moe::convert::testing::WriteTinyModel;

// What the checkpoint must hold, tensor by tensor, from the definition.
class Wanted {
 public:
  Wanted(const MlpCase& c, const GivenArtifacts& given,
         checkpoint::HostTensors dense)
      : c_(c), given_(given), dense_(std::move(dense)) {}

  checkpoint::HostTensors Tensors() {
    for (const auto& [name, tensor] : dense_) {
      if (!absl::StrContains(name, ".mlp.")) wanted_[name] = tensor;
    }
    for (int64_t i = 0; i < c_.model.num_layers; ++i) {
      if (i < c_.num_contract || i >= c_.model.num_layers - c_.num_contract) {
        AddContractLayer(i);
      } else {
        AddMoeLayer(i);
      }
    }
    return wanted_;
  }

 private:
  static constexpr std::pair<const char*, const char*> kParts[] = {
      {"gate_proj", "w1"}, {"up_proj", "w3"}, {"down_proj", "w2"}};

  static std::string Layer(int64_t layer) {
    return absl::StrCat("model.layers.", layer, ".");
  }
  const checkpoint::HostTensor& Dense(int64_t layer,
                                      const std::string& part) const {
    return dense_.at(absl::StrCat(Layer(layer), "mlp.", part));
  }

  void AddContractLayer(int64_t layer) {
    for (const auto& [dense, moe] : kParts) {
      for (const char* leaf : {".weight", ".bias"}) {
        if (leaf[1] == 'b' && !c_.model.mlp_bias) continue;
        wanted_[absl::StrCat(Layer(layer), "block_sparse_moe.", moe, leaf)] =
            Dense(layer, absl::StrCat(dense, leaf));
      }
    }
  }

  void AddExpert(int64_t layer, const std::string& name,
                 const std::vector<int64_t>& neurons) {
    const std::string prefix = absl::StrCat(Layer(layer), name);
    for (const auto& [dense, moe] : kParts) {
      const bool is_down = std::string(moe) == "w2";
      wanted_[absl::StrCat(prefix, ".", moe, ".weight")] =
          Select(Dense(layer, absl::StrCat(dense, ".weight")), is_down ? 1 : 0,
                 neurons);
      if (!c_.model.mlp_bias || is_down) continue;
      wanted_[absl::StrCat(prefix, ".", moe, ".bias")] =
          Select(Dense(layer, absl::StrCat(dense, ".bias")), 0, neurons);
    }
  }

  // The dense bias times `factor`.
  checkpoint::HostTensor OutputBias(int64_t layer, float factor) const {
    checkpoint::HostTensor bias = Dense(layer, "down_proj.bias");
    std::vector<float> values(static_cast<size_t>(bias.shape[0]));
    checkpoint::WeightsToFloat(bias.dtype, bias.bytes, absl::MakeSpan(values));
    // Not a product where there is none: -0 is another bit pattern.
    for (float& value : values) value = factor == 0.0f ? 0.0f : value * factor;
    checkpoint::FloatToWeights(bias.dtype, values, absl::MakeSpan(bias.bytes));
    return bias;
  }

  void AddMoeLayer(int64_t layer) {
    const int64_t share = c_.model.intermediate_size / c_.num_experts;
    for (int64_t e = 0; e < c_.num_experts; ++e) {
      std::vector<int64_t> neurons = Numbers(e * share, (e + 1) * share);
      if (given_.indices.has_value()) {
        const auto row =
            given_.indices->layers[static_cast<size_t>(layer)].experts.Row(e);
        neurons.assign(row.begin(), row.end());
      }
      const std::string name = absl::StrCat("block_sparse_moe.experts.", e);
      AddExpert(layer, name, neurons);
      if (!c_.model.mlp_bias) continue;
      wanted_[absl::StrCat(Layer(layer), name, ".w2.bias")] = OutputBias(
          layer,
          c_.residual ? 0.0f : static_cast<float>(1.0 / c_.scale_factor));
    }
    if (c_.residual) {
      AddExpert(layer, "mlp_residual",
                *given_.indices->layers[static_cast<size_t>(layer)].residual);
      if (c_.model.mlp_bias) {
        wanted_[absl::StrCat(Layer(layer), "mlp_residual.w2.bias")] =
            Dense(layer, "down_proj.bias");
      }
    }
    AddRouter(layer);
  }

  void AddRouter(int64_t layer) {
    const checkpoint::TensorSpec spec = {
        absl::StrCat(Layer(layer), "block_sparse_moe.gate.weight"),
        c_.model.dtype,
        {c_.num_experts, c_.model.hidden_size}};
    const RouterSource source = {
        given_.gates.has_value() ? &*given_.gates : nullptr, 5,
        "convert_mixtral"};
    wanted_[spec.name] = {spec.dtype, spec.shape,
                          RouterBytes(source, layer, spec)};
  }

  const MlpCase& c_;
  const GivenArtifacts& given_;
  const checkpoint::HostTensors dense_;
  checkpoint::HostTensors wanted_;
};

// Rows of a matrix as strings, sorted.
std::vector<std::string> SortedRows(const checkpoint::HostTensor& tensor) {
  std::vector<std::string> rows;
  const size_t size =
      tensor.bytes.size() / static_cast<size_t>(tensor.shape[0]);
  for (size_t at = 0; at < tensor.bytes.size(); at += size) {
    rows.push_back(tensor.bytes.substr(at, size));
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

checkpoint::HostTensor Transposed(const checkpoint::HostTensor& from) {
  checkpoint::HostTensor to = {from.dtype, {from.shape[1], from.shape[0]}, ""};
  for (int64_t col = 0; col < from.shape[1]; ++col) {
    to.bytes += Select(from, 1, {col}).bytes;
  }
  return to;
}

// In a split without sharing, the neurons of all experts together are those of
// the dense layer, each once.
void ExpectNothingLostNorTwice(const MlpCase& c,
                               const checkpoint::HostTensors& dense,
                               const checkpoint::HostTensors& moe,
                               int64_t layer) {
  for (const auto& [part, w] : std::map<std::string, std::string>{
           {"gate_proj", "w1"}, {"up_proj", "w3"}, {"down_proj", "w2"}}) {
    const std::string prefix = absl::StrCat("model.layers.", layer, ".");
    const auto rows = [&](const checkpoint::HostTensors& tensors,
                          const std::string& name) {
      const checkpoint::HostTensor& tensor =
          tensors.at(prefix + name + ".weight");
      return SortedRows(w == "w2" ? Transposed(tensor) : tensor);
    };
    std::vector<std::string> all;
    const auto add = [&](const std::string& name) {
      const std::vector<std::string> some = rows(moe, name);
      all.insert(all.end(), some.begin(), some.end());
    };
    for (int64_t e = 0; e < c.num_experts; ++e) {
      add(absl::StrCat("block_sparse_moe.experts.", e, ".", w));
    }
    if (c.residual) add("mlp_residual." + w);
    std::sort(all.begin(), all.end());
    EXPECT_EQ(all, rows(dense, "mlp." + part)) << "layer " << layer;
  }
}

std::vector<MlpCase> AllCases() {
  std::vector<MlpCase> cases;
  for (const checkpoint::Dtype dtype :
       {checkpoint::Dtype::kBF16, checkpoint::Dtype::kF16,
        checkpoint::Dtype::kF32}) {
    // Every combination with one type, some with the others.
    const int step = dtype == checkpoint::Dtype::kBF16 ? 1 : 9;
    for (int bits = 0; bits < 64; bits += step) {
      MlpCase c;
      c.model.dtype = dtype;
      c.model.mlp_bias = (bits & 1) != 0;
      c.model.num_shards = (bits & 2) != 0 ? 4 : 1;
      c.num_contract = (bits & 4) != 0 ? 1 : 0;
      c.residual = (bits & 8) != 0;
      c.shared = (bits & 16) != 0;
      c.given_gates = (bits & 32) != 0 || c.residual;
      c.given_indices = c.residual || c.shared || (bits & 32) != 0;
      c.num_experts = c.residual ? 5 : (bits & 1) != 0 ? 3 : 4;
      c.model.tied = (bits & 2) != 0;
      cases.push_back(c);
    }
  }
  return cases;
}

TEST(ConvertMlpTest, EveryExpertIsMadeOfTheDenseBytes) {
  for (const MlpCase& c : AllCases()) {
    const TempDirectory directory;
    const std::string from = directory.Path("dense");
    const std::string to = directory.Path("moe");
    WriteTinyModel(c.model, from);
    const GivenArtifacts given = GivenOf(c);
    MOE_ASSERT_OK_AND_ASSIGN(const MlpConversion conversion,
                             Convert({from, to}, OptionsOf(c),
                                     given.Artifacts(), /*num_threads=*/2));
    const checkpoint::HostTensors dense = ReadTensors(from);
    const checkpoint::HostTensors moe = ReadTensors(to);
    ASSERT_EQ(moe, Wanted(c, given, dense).Tensors());
    // Held to its configuration as it is opened.
    MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint opened,
                             checkpoint::Checkpoint::Open(to));
    ASSERT_NE(opened.moe_config(), nullptr);
    EXPECT_EQ(checkpoint::FormatMoeConfig(*opened.moe_config()),
              checkpoint::FormatMoeConfig(conversion.config));
    EXPECT_EQ(conversion.has_random_routers, !c.given_gates);
    if (c.shared) {
      EXPECT_GT(conversion.num_shared_neurons, 0);
      continue;
    }
    EXPECT_EQ(conversion.num_shared_neurons, 0);
    EXPECT_EQ(conversion.num_unused_neurons, 0);
    for (int64_t i = c.num_contract; i < c.model.num_layers - c.num_contract;
         ++i) {
      ExpectNothingLostNorTwice(c, dense, moe, i);
    }
  }
}

TEST(ConvertMlpTest, WritesTheConfigurationAndTheFilesBesideIt) {
  const TempDirectory directory;
  MlpCase c;
  c.residual = c.given_gates = c.given_indices = true;
  c.num_experts = 5;
  c.scale_factor = 2.5;
  c.num_contract = 1;
  WriteTinyModel(c.model, directory.Path("dense"));
  const GivenArtifacts given = GivenOf(c);
  MOE_ASSERT_OK_AND_ASSIGN(
      const MlpConversion conversion,
      Convert({directory.Path("dense"), directory.Path("moe")}, OptionsOf(c),
              given.Artifacts()));
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::string text,
      base::ReadFile(directory.Path("moe/config.json"), 100000));
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::MoeConfig config,
                           checkpoint::ParseMoeConfig(text));
  EXPECT_EQ(config.num_local_experts, 5);
  EXPECT_EQ(config.num_experts_per_tok, 2);
  EXPECT_EQ(config.expert_intermediate_size, 4);
  EXPECT_EQ(config.intermediate_size_residual, 4);
  EXPECT_EQ(config.decoder.intermediate_size, 24);
  EXPECT_EQ(config.scale_factor, 2.5);
  EXPECT_EQ(config.num_moe_contract_layers, 1);
  EXPECT_FALSE(config.use_attn_moe);
  EXPECT_EQ(config.decoder.rope.theta, 500000.0);
  EXPECT_EQ(config.decoder.document["bos_token_id"], 3);
  for (const auto& [name, contents] : ModelCodeFiles()) {
    MOE_ASSERT_OK_AND_ASSIGN(
        const std::string written,
        base::ReadFile(directory.Path(absl::StrCat("moe/", name)), 1 << 20));
    EXPECT_EQ(written, contents);
  }
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::string tokenizer,
      base::ReadFile(directory.Path("moe/tokenizer.json"), 1000));
  EXPECT_EQ(tokenizer, "{\"not\": \"one\"}\n");
}

// A shard keeps its name, and what a tensor becomes stays in its shard.
TEST(ConvertMlpTest, KeepsTheShards) {
  const TempDirectory directory;
  MlpCase c;
  c.model.num_shards = 3;
  WriteTinyModel(c.model, directory.Path("dense"));
  MOE_ASSERT_OK_AND_ASSIGN(
      const MlpConversion conversion,
      Convert({directory.Path("dense"), directory.Path("moe")}, OptionsOf(c),
              {}));
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint dense,
      checkpoint::Checkpoint::Open(directory.Path("dense")));
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint moe,
                           checkpoint::Checkpoint::Open(directory.Path("moe")));
  const auto& before = dense.tensors().index()->weight_map;
  const auto& after = moe.tensors().index()->weight_map;
  int64_t total_bytes = 0;
  for (const auto& [name, shard] : after) {
    const std::string origin = absl::StrReplaceAll(
        name, {{".block_sparse_moe.experts.0.w1", ".mlp.gate_proj"},
               {".block_sparse_moe.experts.1.w1", ".mlp.gate_proj"},
               {".block_sparse_moe.experts.2.w1", ".mlp.gate_proj"},
               {".block_sparse_moe.experts.3.w1", ".mlp.gate_proj"},
               {".block_sparse_moe.experts.0.w2", ".mlp.down_proj"},
               {".block_sparse_moe.experts.1.w2", ".mlp.down_proj"},
               {".block_sparse_moe.experts.2.w2", ".mlp.down_proj"},
               {".block_sparse_moe.experts.3.w2", ".mlp.down_proj"},
               {".block_sparse_moe.experts.0.w3", ".mlp.up_proj"},
               {".block_sparse_moe.experts.1.w3", ".mlp.up_proj"},
               {".block_sparse_moe.experts.2.w3", ".mlp.up_proj"},
               {".block_sparse_moe.experts.3.w3", ".mlp.up_proj"},
               {".block_sparse_moe.gate", ".mlp.gate_proj"}});
    EXPECT_EQ(shard, before.at(origin)) << name;
    total_bytes += NumBytes(moe.tensors().Find(name).tensor->spec);
  }
  EXPECT_EQ(moe.tensors().index()->total_size_bytes, total_bytes);
  EXPECT_EQ(conversion.written.total_bytes, total_bytes);
  EXPECT_EQ(conversion.written.num_shards, 3);
  EXPECT_EQ(conversion.written.num_tensors, static_cast<int64_t>(after.size()));
}

TEST(ConvertMlpTest, ShardsAndThreadsDoNotMatter) {
  const TempDirectory directory;
  MlpCase c;
  c.given_indices = true;
  const GivenArtifacts given = GivenOf(c);
  WriteTinyModel(c.model, directory.Path("single"));
  c.model.num_shards = 5;
  WriteTinyModel(c.model, directory.Path("sharded"));
  MOE_ASSERT_OK(Convert({directory.Path("single"), directory.Path("a")},
                        OptionsOf(c), given.Artifacts(), 1)
                    .status());
  MOE_ASSERT_OK(Convert({directory.Path("sharded"), directory.Path("b")},
                        OptionsOf(c), given.Artifacts(), 3)
                    .status());
  MOE_ASSERT_OK(Convert({directory.Path("single"), directory.Path("c")},
                        OptionsOf(c), given.Artifacts(), 3)
                    .status());
  EXPECT_EQ(ReadTensors(directory.Path("a")), ReadTensors(directory.Path("b")));
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::string one,
      base::ReadFile(directory.Path("a/model.safetensors"), 1 << 20));
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::string three,
      base::ReadFile(directory.Path("c/model.safetensors"), 1 << 20));
  EXPECT_EQ(one, three);
}

}  // namespace
}  // namespace moe::convert
