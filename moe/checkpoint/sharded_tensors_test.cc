#include "moe/checkpoint/sharded_tensors.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsNull;
using ::testing::NotNull;
using ::testing::SizeIs;

TEST(ShardedTensorsTest, FindsTensorsInTheirShards) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const ShardedTensors tensors,
      ShardedTensors::Open("testdata/llama_mha_f32_sharded"));
  EXPECT_THAT(tensors.shards(), SizeIs(3));
  EXPECT_TRUE(tensors.index().has_value());
  EXPECT_EQ(tensors.num_tensors(), 29u);  // 3 layers of 9, embedding, norm
  const TensorLocation found = tensors.Find("model.norm.weight");
  ASSERT_THAT(found.tensor, NotNull());
  EXPECT_EQ(found.shard->Find("model.norm.weight"), found.tensor);
  EXPECT_THAT(tensors.Find("lm_head.weight").tensor, IsNull());
}

TEST(ShardedTensorsTest, ASingleFileNeedsNoIndexAndGoesFirst) {
  const TempDirectory directory;
  std::filesystem::copy("testdata/malformed/valid_sharded", directory.path(),
                        std::filesystem::copy_options::recursive);
  std::filesystem::copy("testdata/malformed/valid/model.safetensors",
                        directory.Path("model.safetensors"));
  MOE_ASSERT_OK_AND_ASSIGN(const ShardedTensors tensors,
                           ShardedTensors::Open(directory.path()));
  EXPECT_THAT(tensors.shards(), SizeIs(1));
  EXPECT_FALSE(tensors.index().has_value());
}

TEST(ShardedTensorsTest, SaysWhatToDoWithOtherFormats) {
  const TempDirectory directory;
  directory.Write("pytorch_model.bin", "");
  EXPECT_THAT(ShardedTensors::Open(directory.path()),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr(directory.path()),
                             HasSubstr("pytorch_model.bin"),
                             HasSubstr("save_pretrained"))));
  EXPECT_THAT(
      ShardedTensors::Open(directory.Path("absent")),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("does not exist")));
}

}  // namespace

namespace {

using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;
using ::testing::Pair;

TEST(ShardIndexTest, AFileOfTransformersIsWrittenBackByteForByte) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::string text,
      base::ReadFile(
          "testdata/llama_mha_f32_sharded/model.safetensors.index.json",
          10000));
  MOE_ASSERT_OK_AND_ASSIGN(const ShardIndex index, ParseShardIndex(text));
  EXPECT_THAT(index.total_size_bytes, Optional(698112));
  EXPECT_THAT(index.total_parameters, Optional(174528));  // 698112 / 4
  EXPECT_EQ(FormatShardIndex(index), text);
}

TEST(ShardIndexTest, OlderFilesHaveNoParameterCount) {
  MOE_ASSERT_OK_AND_ASSIGN(const ShardIndex index,
                           ParseShardIndex(R"({"metadata": {"total_size": 8},
                          "weight_map": {"w": "a.safetensors"}})"));
  EXPECT_EQ(index.total_parameters, std::nullopt);
  EXPECT_THAT(index.weight_map, ElementsAre(Pair("w", "a.safetensors")));
}

// Loaders do not look at the sizes, and published files have them in every
// form.
TEST(ShardIndexTest, SizesAreTakenAsTheyAre) {
  const struct {
    const char* metadata;
    std::optional<int64_t> total_size_bytes;
  } kCases[] = {
      {R"("metadata": {"total_size": 8.0},)", 8},
      {R"("metadata": {"total_size": "8"},)", std::nullopt},
      {R"("metadata": {"total_size": -8},)", std::nullopt},
      {R"("metadata": {"total_size": 1e300},)", std::nullopt},
      {R"("metadata": {},)", std::nullopt},
      {R"("metadata": null,)", std::nullopt},
      {"", std::nullopt},
  };
  for (const auto& [metadata, total_size_bytes] : kCases) {
    MOE_ASSERT_OK_AND_ASSIGN(
        const ShardIndex index,
        ParseShardIndex(absl::StrCat("{", metadata, "\"weight_map\": {}}")));
    EXPECT_EQ(index.total_size_bytes, total_size_bytes) << metadata;
  }
}

TEST(ShardIndexTest, RefusesWhatIsMalformed) {
  const struct {
    const char* text;
    const char* message;
  } kCases[] = {
      {"[]", "expected a JSON object"},
      {R"({"metadata": {"total_size": 8}})", "weight_map: expected an object"},
      {R"({"weight_map": 3})", "weight_map: expected an object"},
      {R"({"weight_map": {"w": 1}})", "weight_map: w: expected a string"},
      {R"({"weight_map": {"w": "a.bin"}})", "\"a.bin\""},
      {R"({"weight_map": {"w": ".safetensors"}})", "\".safetensors\""},
      {R"({"weight_map": {"w": "../a.safetensors"}})", "same directory"},
      {R"({"weight_map": {"w": "/a.safetensors"}})", "same directory"},
      {R"({"weight_map": {"w": "s\\a.safetensors"}})", "same directory"},
      {R"({"weight_map": {"w": "a\u0000.safetensors"}})", "same directory"},
      {R"({"weight_map": {"w": "a", "w": "b"}})", "\"w\" occurs twice"},
  };
  for (const auto& [text, message] : kCases) {
    EXPECT_THAT(
        ParseShardIndex(text),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)))
        << text;
  }
}

}  // namespace
}  // namespace moe::checkpoint
