#include "moe/reconstruct/column_norms.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/model/walk/testing/walk_fixture.h"

namespace moe::reconstruct {
namespace {

using ::moe::kernels::testing::BitsEqual;
using ::moe::model::testing::FixturePath;

// gate_proj has 384 rows, more than are read together.
TEST(ColumnNormsTest, AddsTheSquaresOfAllRows) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const checkpoint::Checkpoint checkpoint,
      checkpoint::Checkpoint::Open(FixturePath("llama_gqa_bf16")));
  const checkpoint::TensorName name = {checkpoint::TensorKind::kMlpGate, 1};
  const std::vector<float> values =
      model::ToFloats(model::ReadWeight(checkpoint, name).value());
  std::vector<double> want(128), got(128, 5.0);
  for (size_t i = 0; i < values.size(); ++i) {
    want[i % 128] += double{values[i]} * double{values[i]};
  }
  base::ThreadPool pool(2);
  MOE_ASSERT_OK(ColumnNorms(checkpoint, name, absl::MakeSpan(got), pool));
  EXPECT_TRUE(BitsEqual<double>(got, want));
}

TEST(ColumnNormsTest, SaysWhatItTakes) {
  // 8 bytes a norm; a row of at most 4 bytes a number, as stored and as floats.
  EXPECT_EQ(ColumnNormsBytes(10, 7), 7 * 8 + 10 * 7 * 8);
  EXPECT_EQ(ColumnNormsBytes(1000, 7), 7 * 8 + 256 * 7 * 8);
}

}  // namespace
}  // namespace moe::reconstruct
