#include "moe/model/walk/embedding.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/checkpoint_weights.h"

namespace moe::model {
namespace {

using ::moe::kernels::testing::BitsEqual;

TEST(EmbedTokensTest, IsTransformers) {
  for (const char* name :
       {"llama_gqa_bf16", "llama_mha_f32_sharded", "llama_headdim_f16"}) {
    MOE_ASSERT_OK_AND_ASSIGN(
        const checkpoint::Checkpoint checkpoint,
        checkpoint::Checkpoint::Open(absl::StrCat("testdata/", name)));
    MOE_ASSERT_OK_AND_ASSIGN(checkpoint::HostTensors goldens,
                             checkpoint::ReadSafetensorsFile(absl::StrCat(
                                 "testdata/goldens/", name, ".safetensors")));
    const checkpoint::HostTensor& ids = goldens.at("seq.2.input_ids");
    std::vector<int32_t> input_ids;
    for (int64_t t = 0; t < ids.shape[0]; ++t) {
      int64_t id = 0;
      std::memcpy(&id, ids.bytes.data() + 8 * t, sizeof(id));
      input_ids.push_back(static_cast<int32_t>(id));
    }
    base::Matrix<float> out(ids.shape[0],
                            checkpoint.dense_config()->hidden_size);
    MOE_ASSERT_OK(EmbedTokens(checkpoint, input_ids, out.view()));
    const std::vector<float> want = ToFloats(goldens.at("seq.2.hidden.0"));
    for (int64_t t = 0; t < out.rows(); ++t) {
      EXPECT_TRUE(BitsEqual<float>(
          out.view().Row(t),
          absl::MakeConstSpan(want).subspan(static_cast<size_t>(t * out.cols()),
                                            static_cast<size_t>(out.cols()))));
    }
  }
}

TEST(EmbedTokensTest, OfNothingIsNothing) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint checkpoint,
      checkpoint::Checkpoint::Open("testdata/llama_gqa_bf16"));
  base::Matrix<float> out(0, 128);
  MOE_EXPECT_OK(EmbedTokens(checkpoint, {}, out.view()));
}

}  // namespace
}  // namespace moe::model
