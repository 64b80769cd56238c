#include "moe/reconstruct/normal_equations.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/philox.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/testing/kernel_test.h"

namespace moe::reconstruct {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::BitsEqual;
using ::testing::HasSubstr;

base::Matrix<float> Drawn(int64_t rows, int64_t cols, absl::string_view name) {
  base::RandomStream stream(5, name);
  base::Matrix<float> matrix(rows, cols);
  for (float& value : matrix.values()) value = stream.UniformSymmetric(1.0f);
  return matrix;
}

struct Tokens {
  Tokens(int64_t num_tokens, int64_t num_features, int64_t num_outputs)
      : features(Drawn(num_tokens, num_features, "features")),
        wanted(Drawn(num_tokens, num_outputs, "wanted")) {
    for (int64_t t = 0; t < num_tokens; ++t) {
      weights.push_back(0.5f + 0.25f * static_cast<float>(t % 5));
    }
  }

  // Adds tokens [begin, end).
  void AddTo(NormalEquations& equations, int64_t begin, int64_t end,
             base::ThreadPool& pool) const {
    equations.Add(
        features.view().Rows(begin, end), wanted.view().Rows(begin, end),
        absl::MakeConstSpan(weights).subspan(static_cast<size_t>(begin),
                                             static_cast<size_t>(end - begin)),
        pool);
  }

  base::Matrix<float> features, wanted;
  std::vector<float> weights;
};

absl::StatusOr<RidgeSolution> Solve(const Tokens& tokens, double ridge,
                                    const std::vector<int64_t>& cuts) {
  base::ThreadPool pool(2);
  NormalEquations equations(tokens.features.cols(), tokens.wanted.cols());
  for (size_t i = 0; i + 1 < cuts.size(); ++i) {
    tokens.AddTo(equations, cuts[i], cuts[i + 1], pool);
  }
  return std::move(equations).Solve(ridge, pool);
}

// D of (G + lambda I) d_h = r_h for all h, by elimination with pivots in long
// double; lambda too.
struct Wide {
  Wide(const Tokens& tokens, double ridge) {
    const auto n = static_cast<size_t>(tokens.features.cols());
    const auto num_outputs = static_cast<size_t>(tokens.wanted.cols());
    // Rows of [G | R^T].
    std::vector<std::vector<long double>> m(
        n, std::vector<long double>(n + num_outputs, 0.0L));
    for (size_t t = 0; t < tokens.weights.size(); ++t) {
      const auto x = tokens.features.Row(static_cast<int64_t>(t));
      const auto y = tokens.wanted.Row(static_cast<int64_t>(t));
      for (size_t i = 0; i < n; ++i) {
        const long double wx =
            static_cast<long double>(tokens.weights[t]) * x[i];
        for (size_t j = 0; j < n; ++j) m[i][j] += wx * x[j];
        for (size_t h = 0; h < num_outputs; ++h) m[i][n + h] += wx * y[h];
      }
    }
    for (size_t i = 0; i < n; ++i) lambda += ridge * m[i][i] / n;
    for (size_t i = 0; i < n; ++i) m[i][i] += lambda;
    Eliminate(m);
    for (size_t h = 0; h < num_outputs; ++h) {
      for (size_t i = 0; i < n; ++i) change.push_back(m[i][n + h] / m[i][i]);
    }
  }

  // Leaves a diagonal matrix in front.
  static void Eliminate(std::vector<std::vector<long double>>& m) {
    for (size_t k = 0; k < m.size(); ++k) {
      for (size_t i = k + 1; i < m.size(); ++i) {
        if (std::fabs(m[i][k]) > std::fabs(m[k][k])) std::swap(m[i], m[k]);
      }
      for (size_t i = 0; i < m.size(); ++i) {
        if (i == k) continue;
        const long double factor = m[i][k] / m[k][k];
        for (size_t j = k; j < m[i].size(); ++j) m[i][j] -= factor * m[k][j];
      }
    }
  }

  long double lambda = 0.0L;
  std::vector<long double> change;  // [H, N]
};

TEST(NormalEquationsTest, SolvesTheRegression) {
  const Tokens tokens(60, 21, 3);
  for (const double ridge : {0.0, 0.15, 3.0}) {
    MOE_ASSERT_OK_AND_ASSIGN(const RidgeSolution got,
                             Solve(tokens, ridge, {0, 60}));
    const Wide want(tokens, ridge);
    EXPECT_NEAR(got.lambda, static_cast<double>(want.lambda), 1e-13 * 20);
    ASSERT_EQ(got.change.rows(), 3);
    ASSERT_EQ(got.change.cols(), 21);
    for (size_t i = 0; i < want.change.size(); ++i) {
      EXPECT_NEAR(got.change.values()[i], static_cast<double>(want.change[i]),
                  1e-13)
          << i;
    }
  }
}

// G is diagonal: 1 * 2^2 = 4 and 1 * 1^2 = 1; with the ridge 0.4 * 2.5 = 1
// more. So D = (2 * 6 / 5, 1 * 4 / 2).
TEST(NormalEquationsTest, SmallRegression) {
  base::ThreadPool pool(1);
  NormalEquations equations(2, 1);
  const base::Matrix<float> features(2, 2, {2.0f, 0.0f, 0.0f, 1.0f});
  const base::Matrix<float> wanted(2, 1, {6.0f, 4.0f});
  const std::vector<float> weights = {1.0f, 1.0f};
  equations.Add(features.view(), wanted.view(), weights, pool);
  MOE_ASSERT_OK_AND_ASSIGN(const RidgeSolution got,
                           std::move(equations).Solve(0.4, pool));
  EXPECT_DOUBLE_EQ(got.lambda, 1.0);
  EXPECT_DOUBLE_EQ(got.pivot_ratio, 2.5);
  EXPECT_DOUBLE_EQ(got.change.Row(0)[0], 2.4);
  EXPECT_DOUBLE_EQ(got.change.Row(0)[1], 2.0);
}

TEST(NormalEquationsTest, GroupsOfTokensChangeNoBit) {
  const Tokens tokens(60, 21, 3);
  MOE_ASSERT_OK_AND_ASSIGN(const RidgeSolution want,
                           Solve(tokens, 0.1, {0, 60}));
  MOE_ASSERT_OK_AND_ASSIGN(const RidgeSolution got,
                           Solve(tokens, 0.1, {0, 1, 20, 20, 60}));
  EXPECT_TRUE(BitsEqual<double>(got.change.values(), want.change.values()));
  EXPECT_EQ(got.lambda, want.lambda);
  EXPECT_EQ(got.pivot_ratio, want.pivot_ratio);
}

// A feature that is 0 for all tokens.
TEST(NormalEquationsTest, SaysWhichPivotIsNotPositive) {
  Tokens tokens(60, 21, 3);
  for (int64_t t = 0; t < 60; ++t) tokens.features.Row(t)[17] = 0.0f;
  EXPECT_THAT(Solve(tokens, 0.0, {0, 60}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("pivot 17: expected a positive finite "
                                 "number, found 0")));
  MOE_ASSERT_OK_AND_ASSIGN(const RidgeSolution got,
                           Solve(tokens, 0.1, {0, 60}));
  for (int64_t h = 0; h < 3; ++h) EXPECT_EQ(got.change.Row(h)[17], 0.0);
}

TEST(NormalEquationsTest, SaysWhatMemoryItTakes) {
  // 8 bytes for 3 x 3 and 2 x 3 sums.
  EXPECT_EQ(NormalEquations::SizeBytes(3, 2), 8 * (9 + 6));
}

}  // namespace
}  // namespace moe::reconstruct
