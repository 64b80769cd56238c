#include "moe/model/aten/aten_weights.h"

#include <ATen/core/Dict.h>
#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/model/aten/aten_model.h"
#include "moe/model/aten/testing/aten_tensors.h"
#include "moe/model/layer/checkpoint_weights.h"

namespace moe::model {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::model::testing::ToVector;
using ::testing::HasSubstr;

// The three fixtures have the three types.
TEST(AtenWeightsTest, AreTheCheckpoints) {
  struct Case {
    const char* directory;
    c10::ScalarType type;
  };
  for (const Case& test : {Case{"testdata/llama_gqa_bf16", c10::kBFloat16},
                           Case{"testdata/llama_mha_f32_sharded", c10::kFloat},
                           Case{"testdata/llama_headdim_f16", c10::kHalf}}) {
    SCOPED_TRACE(test.directory);
    MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint checkpoint,
                             checkpoint::Checkpoint::Open(test.directory));
    const checkpoint::TensorName name = {checkpoint::TensorKind::kMlpUp,
                                         /*layer=*/2};
    MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::HostTensor want,
                             ReadWeight(checkpoint, name));
    MOE_ASSERT_OK_AND_ASSIGN(const at::Tensor got,
                             ReadAtenWeight(AtenModelOf(checkpoint), name));
    EXPECT_EQ(got.scalar_type(), test.type);
    EXPECT_EQ(got.sizes().vec(), want.shape);
    std::vector<float> values(static_cast<size_t>(got.numel()));
    checkpoint::WeightsToFloat(want.dtype, want.bytes, absl::MakeSpan(values));
    EXPECT_EQ(ToVector(got.to(c10::kFloat)), values);
  }
}

TEST(AtenWeightsTest, RefusesAWeightThatIsNotFinite) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint checkpoint,
      checkpoint::Checkpoint::Open("testdata/malformed/value_nan"));
  EXPECT_THAT(ReadAtenWeight(AtenModelOf(checkpoint),
                             {checkpoint::TensorKind::kQuery, /*layer=*/0})
                  .status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("NaN or infinity")));
}

}  // namespace
}  // namespace moe::model
