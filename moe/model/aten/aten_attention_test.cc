#include "moe/model/aten/aten_attention.h"

#include <ATen/core/Dict.h>
#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/aten/testing/aten_tensors.h"
#include "moe/model/layer/attention.h"
#include "moe/model/layer/testing/attention_reference.h"

namespace moe::model {
namespace {

using ::moe::kernels::testing::TestMatrix;
using ::moe::model::testing::ExpectClose;
using ::moe::model::testing::ToTensor;
using ::moe::model::testing::ToVector;

// Three sequences of 11 tokens; a group has two heads.
constexpr int64_t kSequences = 3, kLength = 11, kHeads = 4, kGroups = 2;

struct Case {
  explicit Case(int64_t head_dim) : shape{kHeads, kGroups, head_dim} {
    query = Draw("query", shape.QuerySize());
    key = Draw("key", shape.KeyValueSize());
    value = Draw("value", shape.KeyValueSize());
  }

  static std::vector<float> Draw(const char* name, int64_t features) {
    return TestMatrix(kSequences * kLength, features).Fill(name).Values();
  }
  // [num_sequences, num_heads, length, head_dim], not contiguous.
  at::Tensor Heads(const std::vector<float>& rows, int64_t num_heads) const {
    return ToTensor(rows, {kSequences, kLength, num_heads, shape.head_dim})
        .transpose(1, 2);
  }
  std::vector<double> Want() const {
    return reference::CausalAttention({shape,
                                       {0, kLength, 2 * kLength, 3 * kLength},
                                       {query.begin(), query.end()},
                                       {key.begin(), key.end()},
                                       {value.begin(), value.end()}});
  }

  AttentionShape shape;
  std::vector<float> query, key, value;
};

// The inverse of Heads: one row for each token.
std::vector<float> Rows(const at::Tensor& heads) {
  return ToVector(heads.transpose(1, 2));
}

// A head_dim of 8 goes through LibTorch's fused attention where there is one.
// A head_dim of 6 does not.
TEST(AtenAttentionTest, IsTheFormula) {
  for (const int64_t head_dim : {6, 8}) {
    const Case data(head_dim);
    const at::Tensor query = data.Heads(data.query, kHeads);
    const at::Tensor key = data.Heads(data.key, kGroups);
    const at::Tensor value = data.Heads(data.value, kGroups);
    ExpectClose(Rows(AtenCausalAttention({query, key, value})), data.Want(),
                2e-6);
  }
}

TEST(AtenAttentionTest, BlocksOfAnySizeAreTheFormula) {
  const Case data(6);
  const at::Tensor query = data.Heads(data.query, kHeads);
  const at::Tensor key = data.Heads(data.key, kGroups);
  const at::Tensor value = data.Heads(data.value, kGroups);
  // A query has 3 * 4 * 11 scores: blocks of one, two and all.
  for (const int64_t max_scores : {1, 2 * 3 * 4 * 11, 1 << 20}) {
    ExpectClose(Rows(AtenAttentionByBlocks({query, key, value}, max_scores)),
                data.Want(), 2e-6);
  }
}

// bfloat16 has 8 bits: values of about 1 are off by 1/256 before anything is
// computed from them.
TEST(AtenAttentionTest, TakesBFloat16) {
  const Case data(8);
  const at::Tensor query = data.Heads(data.query, kHeads).to(c10::kBFloat16);
  const at::Tensor key = data.Heads(data.key, kGroups).to(c10::kBFloat16);
  const at::Tensor value = data.Heads(data.value, kGroups).to(c10::kBFloat16);
  const at::Tensor out = AtenCausalAttention({query, key, value});
  EXPECT_EQ(out.scalar_type(), c10::kBFloat16);
  ExpectClose(Rows(out.to(c10::kFloat)), data.Want(), 2e-2);
  ExpectClose(
      Rows(AtenAttentionByBlocks({query, key, value}, 1).to(c10::kFloat)),
      data.Want(), 2e-2);
}

}  // namespace
}  // namespace moe::model
