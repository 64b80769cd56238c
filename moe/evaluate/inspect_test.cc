#include "moe/evaluate/inspect.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/progress.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_set.h"
#include "moe/evaluate/tensor_source.h"

namespace moe::evaluate {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

absl::StatusOr<Inspection> InspectPath(absl::string_view path,
                                       const InspectOptions& options = {}) {
  base::Progress progress(base::Progress::Style::kSilent, {});
  return Inspect(path, options, progress);
}

std::string Describe(const NumberedTensors& group) {
  return absl::StrCat(group.prefix, group.first, "-", group.last, ": ",
                      group.tensors.size());
}

SourceTensor Tensor(const std::string& name, checkpoint::Shape shape) {
  return {{name, checkpoint::Dtype::kF32, std::move(shape)}, 0, 0};
}

TEST(GroupTensorsTest, JoinsNeighboursWithTheSameTensors) {
  std::vector<SourceTensor> tensors;
  for (const int layer : {10, 2, 1, 0, 3, 5}) {
    tensors.push_back(Tensor(absl::StrCat("l.", layer, ".w"), {2, 3}));
    tensors.push_back(Tensor(absl::StrCat("l.", layer, ".v"),
                             {layer == 3 ? int64_t{5} : int64_t{4}}));
  }
  tensors.push_back(Tensor("embed.weight", {1}));
  tensors.push_back(Tensor("l.07.w", {1}));
  std::vector<NumberedTensors> groups;
  std::vector<checkpoint::TensorSpec> others;
  GroupTensors(tensors, groups, others);
  std::vector<std::string> found;
  for (const NumberedTensors& group : groups) found.push_back(Describe(group));
  EXPECT_THAT(found,
              ElementsAre("l.0-2: 2", "l.3-3: 2", "l.5-5: 2", "l.10-10: 2"));
  EXPECT_EQ(groups[0].tensors[0].name, ".v");
  EXPECT_EQ(groups[0].num_parameters, 2 * 3 + 4);
  EXPECT_EQ(groups[0].num_bytes, 40);
  ASSERT_EQ(others.size(), 2u);
  EXPECT_EQ(others[0].name, "embed.weight");
}

TEST(GroupTensorsTest, TakesNamesOfArtifacts) {
  std::vector<NumberedTensors> groups;
  std::vector<checkpoint::TensorSpec> others;
  GroupTensors({{Tensor("layers.0", {8}), Tensor("layers.1", {8}),
                 Tensor("0.mean", {8}), Tensor("1.mean", {8})}},
               groups, others);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(Describe(groups[0]), "0-1: 1");
  EXPECT_EQ(Describe(groups[1]), "layers.0-1: 1");
  EXPECT_EQ(groups[1].tensors[0].name, "");
  EXPECT_THAT(others, IsEmpty());
}

TEST(InspectTest, CountsADenseCheckpoint) {
  MOE_ASSERT_OK_AND_ASSIGN(const Inspection found,
                           InspectPath("testdata/llama_gqa_bf16"));
  ASSERT_TRUE(found.config.has_value());
  ASSERT_EQ(found.groups.size(), 1u);
  EXPECT_EQ(Describe(found.groups[0]), "model.layers.0-3: 9");
  // H 128, I 384, queries 128, keys 64: q and o 128 * 128, k and v 64 * 128,
  // the MLP 3 * 384 * 128, two norms of 128.
  const int64_t layer = 2 * 128 * 128 + 2 * 64 * 128 + 3 * 384 * 128 + 2 * 128;
  EXPECT_EQ(found.groups[0].num_parameters, layer);
  // Embedding and lm_head 512 * 128, final norm 128.
  EXPECT_EQ(found.num_parameters, 4 * layer + 2 * 512 * 128 + 128);
  EXPECT_EQ(found.num_active_parameters, found.num_parameters);
  EXPECT_EQ(found.num_bytes, 2 * found.num_parameters);
  EXPECT_EQ(found.dtypes.at(checkpoint::Dtype::kBF16).num_tensors, 39);
  EXPECT_EQ(found.others.size(), 3u);
  EXPECT_EQ(found.companion_files.size(), 5u);
}

// A tiny MoE checkpoint of zeros: 2 layers, 4 experts of which 1 counts, 2
// attention experts of which 1 counts.
checkpoint::MoeConfig WriteMoe(const TempDirectory& directory) {
  checkpoint::MoeConfig config;
  config.decoder =
      checkpoint::ParseLlamaConfig(
          R"({"model_type": "llama", "vocab_size": 10, "hidden_size": 8,
              "intermediate_size": 16, "num_hidden_layers": 2,
              "num_attention_heads": 4, "num_key_value_heads": 2})")
          .value();
  config.num_local_experts = 4;
  config.num_experts_per_tok = 1;
  config.expert_intermediate_size = 4;
  config.use_attn_moe = true;
  config.attn_experts = 2;
  config.top_k_attn = 1;
  checkpoint::HostTensors tensors;
  for (const auto& [name, shape] : checkpoint::MoeTensorSet(config)) {
    const checkpoint::TensorSpec spec{name, checkpoint::Dtype::kF32, shape};
    tensors[name] = {
        checkpoint::Dtype::kF32, shape,
        std::string(static_cast<size_t>(checkpoint::NumBytes(spec)), '\0')};
  }
  directory.Write("config.json", checkpoint::FormatMoeConfig(config));
  EXPECT_THAT(checkpoint::WriteSafetensorsFile(
                  directory.Path("model.safetensors"), tensors, {}, false),
              ::moe::base::testing::IsOk());
  return config;
}

TEST(InspectTest, CountsWhatATokenUsesOfAnMoe) {
  const TempDirectory directory;
  WriteMoe(directory);
  MOE_ASSERT_OK_AND_ASSIGN(const Inspection found,
                           InspectPath(directory.path()));
  // In each layer, 3 of 4 experts of 3 * 4 * 8 = 96 rest; and 1 of 2 attention
  // experts with 2 heads of head_dim 2 (q and o: 4 * 8 each) and one KV head (k
  // and v: 2 * 8 each), 96 in all.
  EXPECT_EQ(found.num_parameters - found.num_active_parameters,
            2 * (3 * 96 + 96));
}

TEST(InspectTest, HoldsACheckpointToItsConfiguration) {
  EXPECT_THAT(InspectPath("testdata/malformed/tensor_missing"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr(": expected it, by config.json, found none")));
}

TEST(InspectTest, SaysHowToSeeTheTensorsOfAnotherModel) {
  EXPECT_THAT(InspectPath("testdata/malformed/config_model_type_gpt2"),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr("gpt2"),
                             HasSubstr("name one of its .safetensors files"))));
}

TEST(InspectTest, ChecksValuesOnRequest) {
  const std::string path = "testdata/malformed/value_nan";
  MOE_ASSERT_OK_AND_ASSIGN(const Inspection found, InspectPath(path));
  EXPECT_FALSE(found.values_checked);
  InspectOptions options;
  options.check_values = true;
  const auto is_nan =
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("self_attn.q_proj.weight\" [4, 4]: expected finite "
                         "values, found a NaN or infinity at element 5"));
  EXPECT_THAT(InspectPath(path, options), is_nan);
  EXPECT_THAT(InspectPath(path + "/model.safetensors", options), is_nan);
}

TEST(InspectTest, TakesDigestsOnRequest) {
  InspectOptions options;
  options.digests = true;
  MOE_ASSERT_OK_AND_ASSIGN(
      const Inspection found,
      InspectPath("testdata/llama_mha_f32_sharded", options));
  // Three shards, index, config and five companions; digests of the README.
  ASSERT_EQ(found.digests.size(), 10u);
  EXPECT_THAT(
      found.digests[0],
      Pair("model-00001-of-00003.safetensors",
           "7b2fd8b91b1fbd461de104233ee160fc3940e7f4638b418f88e18e7e84fe8559"));
  EXPECT_THAT(
      found.digests[3],
      Pair("model.safetensors.index.json",
           "4a74791eac96730a6296ec0d41cd6231e6c2d953dd42dc9eab6b04dc6b8afc5a"));
}

TEST(InspectTest, NamesAChatTemplateWithItsFolder) {
  const TempDirectory directory;
  std::filesystem::copy("testdata/llama_gqa_bf16", directory.Path("model"));
  directory.Write("model/additional_chat_templates/rag.jinja", "abc");
  InspectOptions options;
  options.digests = true;
  MOE_ASSERT_OK_AND_ASSIGN(const Inspection found,
                           InspectPath(directory.Path("model"), options));
  EXPECT_THAT(found.companion_files,
              Contains("additional_chat_templates/rag.jinja"));
  // `printf abc | sha256sum`.
  EXPECT_THAT(
      found.digests,
      Contains(Pair(
          "additional_chat_templates/rag.jinja",
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")));
}

TEST(InspectTest, TakesADirectoryWithoutConfiguration) {
  const TempDirectory directory;
  MOE_ASSERT_OK(checkpoint::WriteSafetensorsFile(
      directory.Path("model.safetensors"),
      {{"w", {checkpoint::Dtype::kU8, {2}, "ab"}}}, {{"seed", "7"}}, false));
  MOE_ASSERT_OK_AND_ASSIGN(const Inspection found,
                           InspectPath(directory.path()));
  EXPECT_FALSE(found.config.has_value());
  EXPECT_EQ(found.num_bytes, 2);
  EXPECT_THAT(found.files[0].metadata, ElementsAre(Pair("seed", "7")));
}

}  // namespace
}  // namespace moe::evaluate
