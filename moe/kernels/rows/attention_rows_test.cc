#include "moe/kernels/rows/attention_rows.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/rows/softmax.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/kernels/testing/row_shapes.h"

namespace moe::kernels {
namespace {

using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::Digest;
using ::moe::kernels::testing::KernelMachineName;
using ::moe::kernels::testing::KernelMachines;
using ::moe::kernels::testing::OnScalar;
using ::moe::kernels::testing::RowShape;
using ::moe::kernels::testing::RowShapes;
using ::moe::kernels::testing::TestMatrix;
using ::testing::ValuesIn;

using AttentionRowsTest = ::moe::kernels::testing::KernelTest;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct State {
  explicit State(int64_t num_rows)
      : rows(static_cast<size_t>(num_rows)),
        max(rows, -kInfinity),
        sum(rows, 0.0),
        correction(rows),
        inverse(rows) {}

  void Piece(const CausalMask& mask, base::MatrixView<float> x,
             base::ThreadPool& pool) {
    SoftmaxPiece(mask, x, {absl::MakeSpan(max), absl::MakeSpan(sum)},
                 absl::MakeSpan(correction), pool);
  }
  void Finish(base::MatrixView<float> x, base::ThreadPool& pool) {
    FinishSoftmax(sum, x, absl::MakeSpan(inverse), x, pool);
  }

  size_t rows;
  std::vector<float> max;
  std::vector<double> sum;
  std::vector<float> correction;
  std::vector<float> inverse;
};

// Everything of two pieces, the second with a mask, and of what follows.
std::vector<float> TwoPieces(const RowShape& s, base::ThreadPool& pool) {
  TestMatrix first(s.rows, s.cols, s.misalignment, s.padding);
  TestMatrix second(s.rows, s.cols, 0, s.padding);
  TestMatrix out(s.rows, 19, s.misalignment, s.padding);
  first.Fill("first", 20.0f);
  second.Fill("second", 40.0f);
  out.Fill("out");
  State state(s.rows);
  state.Piece(CausalMask(), first.view(), pool);
  state.Piece(CausalMask{1, 50}, second.view(), pool);
  ScaleRows(state.correction, out.view(), pool);
  TestMatrix scaled(s.rows, s.cols, 1, s.padding);
  Scale(first.view(), 0.3f, scaled.view(), pool);
  EXPECT_TRUE(scaled.PaddingIsUntouched());
  state.Finish(out.view(), pool);
  std::vector<float> all = scaled.Values();
  for (const TestMatrix* part : {&first, &second, &out}) {
    EXPECT_TRUE(part->PaddingIsUntouched());
    const std::vector<float> values = part->Values();
    all.insert(all.end(), values.begin(), values.end());
  }
  for (const auto& part : {state.max, state.correction, state.inverse}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

// The same of the backward.
std::vector<float> Columns(const RowShape& s, base::ThreadPool& pool) {
  TestMatrix scores(s.rows, s.cols, s.misalignment, s.padding);
  TestMatrix gradients(s.rows, s.cols, 0, s.padding);
  TestMatrix columns(3, s.cols);
  scores.Fill("scores", 30.0f);
  gradients.Fill("gradients");
  columns.Fill("columns");
  std::vector<float> dots(static_cast<size_t>(s.rows));
  DotRows(scores.view(), gradients.view(), absl::MakeSpan(dots), pool);
  const base::MatrixView<const float> of = columns.view();
  SoftmaxColumnsBackward({of.Row(0), of.Row(1), of.Row(2)}, /*first_query=*/-1,
                         scores.view(), gradients.view(), pool);
  EXPECT_TRUE(scores.PaddingIsUntouched());
  EXPECT_TRUE(gradients.PaddingIsUntouched());
  for (const TestMatrix* part : {&scores, &gradients}) {
    const std::vector<float> values = part->Values();
    dots.insert(dots.end(), values.begin(), values.end());
  }
  return dots;
}

TEST_P(AttentionRowsTest, HasTheScalarBits) {
  for (const RowShape& s : RowShapes()) {
    SCOPED_TRACE(s);
    std::vector<float> want;
    if (s.cols > 0) {
      OnScalar([&](base::ThreadPool& one) { want = TwoPieces(s, one); });
      EXPECT_TRUE(BitsEqual<float>(TwoPieces(s, pool()), want));
    }
    OnScalar([&](base::ThreadPool& one) { want = Columns(s, one); });
    EXPECT_TRUE(BitsEqual<float>(Columns(s, pool()), want));
  }
}

TEST_P(AttentionRowsTest, Golden) {
  const RowShape shape = {9, 131, 0, 0};
  EXPECT_EQ(Digest<float>(TwoPieces(shape, pool())), "66f733d3cf1bb586");
  EXPECT_EQ(Digest<float>(Columns(shape, pool())), "692499932a0205cf");
}

// What is masked is not looked at, and is zero afterwards.
TEST_P(AttentionRowsTest, MaskedElementsAreNotRead) {
  TestMatrix x(3, 20), d(3, 20);
  TestMatrix columns(3, 20);
  for (const int64_t r : {0, 1, 2}) {
    for (size_t i = 0; i < 20; ++i) {
      const bool is_seen = static_cast<int64_t>(i) < 5 + r;
      x.view().Row(r)[i] = is_seen ? 1.0f : NAN;
    }
  }
  State state(3);
  state.Piece(CausalMask{5, 3}, x.view(), pool());
  for (const int64_t r : {0, 1, 2}) {
    EXPECT_EQ(state.sum[static_cast<size_t>(r)], 5.0 + static_cast<double>(r));
    for (size_t i = 0; i < 20; ++i) {
      const bool is_seen = static_cast<int64_t>(i) < 5 + r;
      EXPECT_EQ(x.view().Row(r)[i], is_seen ? 1.0f : 0.0f);
      x.view().Row(r)[i] = is_seen ? NAN : 0.0f;
      d.view().Row(r)[i] = is_seen ? kInfinity : 3.0f;
      columns.view().Row(r)[i] = static_cast<float>(r);
    }
  }
  const base::MatrixView<const float> of = columns.view();
  SoftmaxColumnsBackward({of.Row(0), of.Row(1), of.Row(2)}, /*first_query=*/5,
                         x.view(), d.view(), pool());
  for (const int64_t r : {0, 1, 2}) {
    for (size_t i = 0; i < 20; ++i) {
      const bool is_seen = static_cast<int64_t>(i) >= 5 + r;
      EXPECT_EQ(x.view().Row(r)[i], is_seen ? 1.0f : 0.0f);
      EXPECT_EQ(d.view().Row(r)[i], is_seen ? 1.0f : 0.0f);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, AttentionRowsTest, ValuesIn(KernelMachines()),
                         KernelMachineName);

// sum_i softmax(x)_i v_i, in double.
double Attend(absl::Span<const double> x, absl::Span<const double> v) {
  double sum = 0.0, total = 0.0;
  for (size_t i = 0; i < x.size(); ++i) {
    sum += std::exp(x[i]);
    total += std::exp(x[i]) * v[i];
  }
  return total / sum;
}

// A row in pieces, ascending so that each corrects what came before.
TEST(AttentionRowsMathTest, PiecesAreTheSoftmax) {
  base::ThreadPool pool(1);
  constexpr int64_t kPiece = 30;
  TestMatrix x(4, kPiece), v(4, kPiece), out(1, 1);
  x.Fill("x", 5.0f);
  v.Fill("v");
  std::vector<double> all_x, all_v;
  State state(1);
  for (const int64_t r : {0, 1, 2, 3}) {
    for (size_t i = 0; i < kPiece; ++i) {
      x.view().Row(r)[i] += static_cast<float>(2 * r);
      all_x.push_back(x.view().Row(r)[i]);
      all_v.push_back(v.view().Row(r)[i]);
    }
    state.Piece(CausalMask(), x.view().Rows(r, r + 1), pool);
    ScaleRows(state.correction, out.view(), pool);
    for (size_t i = 0; i < kPiece; ++i) {
      out.view().Row(0)[0] += x.view().Row(r)[i] * v.view().Row(r)[i];
    }
  }
  state.Finish(out.view(), pool);
  EXPECT_NEAR(out.view().Row(0)[0], Attend(all_x, all_v), 1e-7);
  EXPECT_EQ(state.max[0],
            static_cast<float>(*std::max_element(all_x.begin(), all_x.end())));
}

TEST(AttentionRowsMathTest, ZerosBecomePositive) {
  base::ThreadPool pool(1);
  TestMatrix x(1, 3);
  x.view().Row(0)[0] = -0.0f;
  x.view().Row(0)[1] = -1.0f;
  const std::vector<double> sum = {4.0};
  std::vector<float> inverse(1);
  FinishSoftmax(sum, x.view(), absl::MakeSpan(inverse), x.view(), pool);
  EXPECT_FALSE(std::signbit(x.view().Row(0)[0]));
  EXPECT_EQ(x.view().Row(0)[1], -0.25f);
  EXPECT_EQ(inverse[0], 0.25f);
}

// The gradient of Attend with respect to a query's scores, a column.
TEST(AttentionRowsMathTest, BackwardIsTheDerivative) {
  base::ThreadPool pool(1);
  constexpr int64_t kKeys = 25;
  TestMatrix x(kKeys, 1), v(kKeys, 1);
  x.Fill("x", 3.0f);
  v.Fill("v");
  std::vector<double> wide_x, wide_v;
  double sum = 0.0;
  for (int64_t j = 0; j < kKeys; ++j) {
    wide_x.push_back(x.view().Row(j)[0]);
    wide_v.push_back(v.view().Row(j)[0]);
    sum += std::exp(wide_x.back() - 3.0);
  }
  const std::vector<float> max = {3.0f};
  const std::vector<float> inverse = {static_cast<float>(1.0 / sum)};
  const std::vector<float> dot = {static_cast<float>(Attend(wide_x, wide_v))};
  SoftmaxColumnsBackward({max, inverse, dot}, /*first_query=*/-kKeys, x.view(),
                         v.view(), pool);
  constexpr double kStep = 1e-5;
  for (size_t j = 0; j < kKeys; ++j) {
    const double before = wide_x[j];
    wide_x[j] = before + kStep;
    const double above = Attend(wide_x, wide_v);
    wide_x[j] = before - kStep;
    const double slope = (above - Attend(wide_x, wide_v)) / (2 * kStep);
    wide_x[j] = before;
    EXPECT_NEAR(v.view().Row(static_cast<int64_t>(j))[0], slope, 1e-7);
    EXPECT_NEAR(x.view().Row(static_cast<int64_t>(j))[0],
                std::exp(before - 3.0) / sum, 1e-7);
  }
}

}  // namespace
}  // namespace moe::kernels
