#include "moe/model/layer/checkpoint_weights.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/kernels/gemm/packed_matrix.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr checkpoint::TensorName kEmbedding = {
    checkpoint::TensorKind::kEmbedding, -1, -1, false};

TEST(CheckpointWeightsTest, RowsAreThoseOfTheWhole) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint checkpoint,
      checkpoint::Checkpoint::Open("testdata/llama_gqa_bf16"));
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::HostTensor whole,
                           ReadWeight(checkpoint, kEmbedding));
  EXPECT_EQ(whole.dtype, checkpoint::Dtype::kBF16);
  EXPECT_EQ(whole.shape, checkpoint::Shape({512, 128}));
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::HostTensor rows,
                           ReadWeightRows(checkpoint, kEmbedding, 7, 10));
  EXPECT_EQ(rows.shape, checkpoint::Shape({3, 128}));
  EXPECT_EQ(rows.bytes, whole.bytes.substr(7 * 128 * 2, 3 * 128 * 2));
  const std::vector<float> all = ToFloats(whole), some = ToFloats(rows);
  EXPECT_EQ(some,
            std::vector<float>(all.begin() + 7 * 128, all.begin() + 10 * 128));
  const kernels::WeightView view = ViewWeight(rows);
  EXPECT_EQ(view.data, rows.bytes.data());
  EXPECT_EQ(view.rows, 3);
  EXPECT_EQ(view.cols, 128);
}

TEST(CheckpointWeightsTest, NamesTheElementThatIsNotFinite) {
  for (const char* name : {"value_nan", "value_infinity"}) {
    MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint checkpoint,
                             checkpoint::Checkpoint::Open(
                                 absl::StrCat("testdata/malformed/", name)));
    int num_bad = 0;
    for (int kind = static_cast<int>(checkpoint::TensorKind::kInputNorm);
         kind <= static_cast<int>(checkpoint::TensorKind::kOutput); ++kind) {
      const checkpoint::TensorName weight = {
          static_cast<checkpoint::TensorKind>(kind), 0, -1, false};
      const absl::Status status = ReadWeight(checkpoint, weight).status();
      if (status.ok()) continue;
      ++num_bad;
      EXPECT_THAT(
          status,
          StatusIs(
              absl::StatusCode::kInvalidArgument,
              AllOf(HasSubstr(absl::StrCat("model.safetensors: tensor ",
                                           checkpoint::FormatTensorName(weight),
                                           ", element ")),
                    HasSubstr("NaN or infinity"))));
    }
    EXPECT_EQ(num_bad, 1) << name;
  }
}

}  // namespace
}  // namespace moe::model
