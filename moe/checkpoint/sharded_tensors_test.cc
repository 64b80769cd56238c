#include "moe/checkpoint/sharded_tensors.h"

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe {
namespace {

using ::moe::testing::StatusIs;
using ::moe::testing::TempDirectory;
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
}  // namespace moe
