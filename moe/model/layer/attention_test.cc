#include "moe/model/layer/attention.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/testing/attention_reference.h"

namespace moe::model {
namespace {

using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::kernels::testing::TestMatrix;
using ::testing::ValuesIn;

using AttentionTest = ::moe::kernels::testing::KernelTest;

constexpr int64_t kQueryRows = 128;

// Sequences, drawn by their lengths, and what comes out of them.
struct Case {
  Case(const AttentionShape& attention_shape, absl::Span<const int64_t> lengths)
      : shape(attention_shape) {
    for (const int64_t length : lengths) {
      offsets.push_back(offsets.back() + length);
    }
    const int64_t rows = offsets.back();
    query = TestMatrix(rows, shape.QuerySize(), 1, 3).Fill("query", 2.0f);
    key = TestMatrix(rows, shape.KeyValueSize(), 3, 0).Fill("key", 2.0f);
    value = TestMatrix(rows, shape.KeyValueSize(), 0, 1).Fill("value");
    d_out = TestMatrix(rows, shape.QuerySize()).Fill("d_out");
    out = TestMatrix(rows, shape.QuerySize(), 0, 2);
    score_max = TestMatrix(shape.num_heads, rows, 0, 1);
    inverse_sum = TestMatrix(shape.num_heads, rows, 2, 0);
    d_query = TestMatrix(rows, shape.QuerySize(), 1, 1);
    d_key = TestMatrix(rows, shape.KeyValueSize(), 0, 5);
    d_value = TestMatrix(rows, shape.KeyValueSize());
  }

  AttentionInputs Inputs() const {
    return {shape, offsets, query.view(), key.view(), value.view()};
  }
  AttentionOutputs Outputs() {
    return {out.view(), score_max.view(), inverse_sum.view()};
  }
  Case& Run(base::ThreadPool& pool, int64_t query_rows = kQueryRows) {
    CausalAttention(Inputs(), Outputs(), query_rows, pool);
    CausalAttentionBackward(Inputs(), Outputs(), d_out.view(),
                            {d_query.view(), d_key.view(), d_value.view()},
                            pool);
    return *this;
  }
  // All results', in order.
  std::vector<float> Results() const {
    std::vector<float> all;
    for (const TestMatrix* part :
         {&out, &score_max, &inverse_sum, &d_query, &d_key, &d_value}) {
      EXPECT_TRUE(part->PaddingIsUntouched());
      const std::vector<float> values = part->Values();
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  }
  reference::AttentionInputs InDouble() const {
    const auto widen = [](const TestMatrix& x) {
      const std::vector<float> values = x.Values();
      return std::vector<double>(values.begin(), values.end());
    };
    return {shape, offsets, widen(query), widen(key), widen(value)};
  }

  AttentionShape shape;
  std::vector<int64_t> offsets = {0};
  TestMatrix query{0, 0}, key{0, 0}, value{0, 0}, d_out{0, 0};
  TestMatrix score_max{0, 0}, inverse_sum{0, 0};
  TestMatrix out{0, 0}, d_query{0, 0}, d_key{0, 0}, d_value{0, 0};
};

// A few chunks, and sequences around one's border, an empty one, a single
// token.
Case LongCase() { return Case({3, 1, 5}, {1, 600, 0, 255, 257}); }
// As many sequences as are handed out whole.
Case ManyCase() {
  return Case({4, 2, 6}, {3, 1, 7, 2, 9, 4, 1, 1, 5, 3, 2, 8, 6, 30,
                          3, 1, 7, 2, 9, 4, 1, 1, 5, 3, 2, 8, 6, 30});
}

// The digest was computed on the first machine: it pins the bits everywhere.
TEST_P(AttentionTest, Golden) {
  EXPECT_EQ(Digest<float>(LongCase().Run(pool()).Results()),
            "065e6dacc6feb82c");
  EXPECT_EQ(Digest<float>(ManyCase().Run(pool()).Results()),
            "89be38467942ff33");
}

TEST_P(AttentionTest, DoesNotDependOnTheBlocksOfQueries) {
  Case c({2, 2, 4}, {300, 40});
  CausalAttention(c.Inputs(), c.Outputs(), kQueryRows, pool());
  const TestMatrix want = c.out;
  for (const int64_t query_rows : {1, 7, 64, 256, 300, 1000}) {
    CausalAttention(c.Inputs(), c.Outputs(), query_rows, pool());
    EXPECT_TRUE(BitsEqual(c.out, want)) << query_rows;
  }
}

INSTANTIATE_TEST_SUITE_P(All, AttentionTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

TEST(AttentionBitsTest, ASequenceAloneAndItsBeginningHaveTheSameBits) {
  base::ThreadPool pool(2);
  Case all = LongCase();
  all.Run(pool);
  const int64_t begin = all.offsets[1];  // The 600 tokens.
  for (const int64_t length : {1, 255, 256, 257, 599, 600}) {
    const std::vector<int64_t> offsets = {0, length};
    const base::MatrixView<const float> query = all.query.view();
    const base::MatrixView<const float> key = all.key.view();
    const base::MatrixView<const float> value = all.value.view();
    const AttentionInputs inputs = {
        all.shape, offsets, query.Rows(begin, begin + length),
        key.Rows(begin, begin + length), value.Rows(begin, begin + length)};
    SavedAttention alone(all.shape, length);
    CausalAttention(inputs, alone.view(), kQueryRows, pool);
    for (int64_t t = 0; t < length; ++t) {
      EXPECT_TRUE(BitsEqual<float>(alone.out.view().Row(t),
                                   all.out.view().Row(begin + t)))
          << length << " tokens, token " << t;
    }
  }
}

// Products that underflow to -0 meet a masked zero in one block and none in
// another.
TEST(AttentionBitsTest, TheSignOfZeroDoesNotShowTheBlocks) {
  base::ThreadPool pool(1);
  Case c({1, 1, 2}, {40});
  for (int64_t t = 0; t < 40; ++t) {
    // Scores are 0, so that token t gives each of its keys 1 / (t + 1): of the
    // smallest number below 0 that is -0, from the second token on.
    for (float& value : c.query.view().Row(t)) value = 0.0f;
    for (float& value : c.value.view().Row(t)) {
      value = t % 2 == 0 ? -1e-45f : -0.0f;
    }
  }
  CausalAttention(c.Inputs(), c.Outputs(), 1, pool);
  const TestMatrix want = c.out;
  for (const int64_t query_rows : {2, 5, 40}) {
    CausalAttention(c.Inputs(), c.Outputs(), query_rows, pool);
    EXPECT_TRUE(BitsEqual(c.out, want));
  }
  for (const float value : want.Values()) {
    EXPECT_FALSE(value == 0.0f && std::signbit(value));
  }
}

TEST(AttentionMathTest, IsTheFormula) {
  base::ThreadPool pool(2);
  for (Case c : {LongCase(), ManyCase()}) {
    CausalAttention(c.Inputs(), c.Outputs(), kQueryRows, pool);
    EXPECT_TRUE(c.out.PaddingIsUntouched());
    const std::vector<float> got = c.out.Values();
    const std::vector<double> want = reference::CausalAttention(c.InDouble());
    ASSERT_EQ(got.size(), want.size());
    // Values are up to 1: rounded probabilities and a chain of sums.
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(got[i], want[i], 1e-6) << i;
    }
  }
}

// sum out * d_out, whose derivatives the backward gives.
double Objective(const Case& c, const reference::AttentionInputs& inputs) {
  const std::vector<double> out = reference::CausalAttention(inputs);
  const std::vector<float> d_out = c.d_out.Values();
  double sum = 0.0;
  for (size_t i = 0; i < out.size(); ++i) sum += out[i] * d_out[i];
  return sum;
}

// Moves every `every`-th element of inputs.*part.
void ExpectSlopes(const Case& c,
                  std::vector<double> reference::AttentionInputs::*part,
                  const TestMatrix& gradient, size_t every) {
  reference::AttentionInputs inputs = c.InDouble();
  const std::vector<float> got = gradient.Values();
  ASSERT_EQ(got.size(), (inputs.*part).size());
  constexpr double kStep = 1e-4;
  for (size_t i = 0; i < got.size(); i += every) {
    double& moved = (inputs.*part)[i];
    const double before = moved;
    moved = before + kStep;
    const double above = Objective(c, inputs);
    moved = before - kStep;
    const double below = Objective(c, inputs);
    moved = before;
    // Gradients are of the order of 1; those of keys and values sum hundreds.
    const double slope = (above - below) / (2 * kStep);
    ASSERT_NEAR(got[i], slope, 3e-6 * (1 + std::fabs(slope))) << i;
  }
}

// Products over a head's features are then cut too.
TEST(AttentionMathTest, HeadsLongerThanABlockOfDepth) {
  base::ThreadPool pool(2);
  Case c({2, 1, 300}, {40});
  c.query.Fill("query", 0.2f);
  c.Run(pool);
  const std::vector<float> got = c.out.Values();
  const std::vector<double> want = reference::CausalAttention(c.InDouble());
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], 1e-6) << i;
  }
  using Inputs = reference::AttentionInputs;
  ExpectSlopes(c, &Inputs::query, c.d_query, 1009);
  ExpectSlopes(c, &Inputs::key, c.d_key, 503);
  ExpectSlopes(c, &Inputs::value, c.d_value, 503);
}

TEST(AttentionMathTest, BackwardIsTheDerivative) {
  base::ThreadPool pool(2);
  Case small({4, 2, 6}, {3, 1, 9, 2});
  small.Run(pool);
  using Inputs = reference::AttentionInputs;
  ExpectSlopes(small, &Inputs::query, small.d_query, 1);
  ExpectSlopes(small, &Inputs::key, small.d_key, 1);
  ExpectSlopes(small, &Inputs::value, small.d_value, 1);
  // Several chunks: a few elements of many, as each takes two evaluations.
  Case large({2, 1, 4}, {600});
  large.Run(pool);
  ExpectSlopes(large, &Inputs::query, large.d_query, 601);
  ExpectSlopes(large, &Inputs::key, large.d_key, 301);
  ExpectSlopes(large, &Inputs::value, large.d_value, 301);
}

// Two tokens of one head of size 1, q = k = 0: token 1 takes the mean.
TEST(AttentionMathTest, ByHand) {
  base::ThreadPool pool(1);
  Case c({1, 1, 1}, {2});
  c.query.view().Row(0)[0] = c.query.view().Row(1)[0] = 0.0f;
  c.key.view().Row(0)[0] = c.key.view().Row(1)[0] = 0.0f;
  c.value.view().Row(0)[0] = 3.0f;
  c.value.view().Row(1)[0] = 7.0f;
  c.d_out.view().Row(0)[0] = 1.0f;
  c.d_out.view().Row(1)[0] = 10.0f;
  c.Run(pool);
  EXPECT_EQ(c.out.view().Row(0)[0], 3.0f);
  EXPECT_EQ(c.out.view().Row(1)[0], 5.0f);
  EXPECT_EQ(c.d_value.view().Row(0)[0], 6.0f);  // 1 + 10 / 2
  EXPECT_EQ(c.d_value.view().Row(1)[0], 5.0f);
  EXPECT_EQ(c.d_query.view().Row(1)[0], 0.0f);  // As the keys are 0.
}

}  // namespace
}  // namespace moe::model
