#include "moe/reconstruct/energy_router.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/gemm.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/rows/softmax.h"
#include "moe/kernels/rows/top_k.h"
#include "moe/kernels/solve/cholesky.h"
#include "moe/kernels/solve/weighted_sums.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/reconstruct/energy_sums.h"

namespace moe::reconstruct {
namespace {

absl::Status CheckLogits(int64_t first_token,
                         base::MatrixView<const float> logits) {
  for (int64_t t = 0; t < logits.rows; ++t) {
    const absl::Span<const float> row = logits.Row(t);
    const auto bad = std::find_if(row.begin(), row.end(), [](float logit) {
      return !std::isfinite(logit);
    });
    if (bad == row.end()) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "router logit of token ", first_token + t, " for expert ",
        bad - row.begin(), ": expected a finite number, found ", *bad,
        "; choose a larger ridge or a smaller router_spread"));
  }
  return absl::OkStatus();
}

absl::Status NotPositiveDefinite(const model::HiddenStates& inputs,
                                 double ridge, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(
      "the router's normal equations: expected a positive definite matrix, "
      "found one of ",
      inputs.num_tokens(), " tokens for ", inputs.hidden_size(),
      " features with ridge ", ridge, why, "; raise ridge or use more text"));
}

// The largest power of two that makes `size` at most `spread`.
double ScaleTo(double spread, double size) {
  if (!(size > 0.0) || !std::isfinite(size)) return 1.0;
  int exponent = 0;
  std::frexp(spread / size, &exponent);
  return std::ldexp(1.0, exponent - 1);
}

}  // namespace

absl::StatusOr<RouterRegression> RouterRegression::Create(
    model::HiddenStates& inputs, absl::Span<const float> weights, double ridge,
    base::ThreadPool& pool) {
  MOE_CHECK(static_cast<int64_t>(weights.size()) == inputs.num_tokens());
  // Rounding could hide it.
  if (ridge == 0.0 && inputs.num_tokens() < inputs.hidden_size()) {
    return NotPositiveDefinite(inputs, ridge, "");
  }
  base::Matrix<double> gram =
      base::Matrix<double>::Zeros(inputs.hidden_size(), inputs.hidden_size());
  const auto add = [&](int64_t first,
                       base::MatrixView<const float> rows) -> absl::Status {
    kernels::AddWeightedGram(rows,
                             weights.subspan(static_cast<size_t>(first),
                                             static_cast<size_t>(rows.rows)),
                             gram, pool);
    return absl::OkStatus();
  };
  base::Matrix<float> buffer;
  MOE_RETURN_IF_ERROR(inputs.ForEachBlock(kEnergyRowsAtOnce, buffer, add));
  const double lambda = kernels::AddRidge(gram, ridge);
  if (const absl::Status status = kernels::CholeskyFactor(gram, pool);
      !status.ok()) {
    return NotPositiveDefinite(inputs, ridge,
                               absl::StrCat(" (", status.message(), ")"));
  }
  return RouterRegression(std::move(gram), lambda, inputs.num_tokens());
}

absl::StatusOr<base::Matrix<float>> RouterRegression::Solve(
    base::Matrix<double>& sums, double spread, base::ThreadPool& pool) const {
  MOE_CHECK(sums.cols() == factor_.cols());
  const base::Matrix<double> right_sides = sums;
  kernels::SolveCholesky(factor_, sums, pool);
  double power = 0.0;
  for (size_t i = 0; i < sums.values().size(); ++i) {
    const double g = sums.values()[i];
    power += g * (right_sides.values()[i] - lambda_ * g);
  }
  const double scale = ScaleTo(
      spread,
      std::sqrt(power / static_cast<double>(sums.rows() * num_tokens_)));
  base::Matrix<float> router(sums.rows(), sums.cols());
  for (int64_t e = 0; e < router.rows(); ++e) {
    const absl::Span<const double> from = sums.Row(e);
    const absl::Span<float> to = router.Row(e);
    for (size_t i = 0; i < to.size(); ++i) {
      to[i] = static_cast<float>(scale * from[i]);
      if (std::isfinite(to[i])) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "router weight [", e, ", ", i, "]: expected a finite number, found ",
          to[i], "; choose a larger ridge or a smaller router_spread"));
    }
  }
  return router;
}

absl::Status ChooseExperts(model::HiddenStates& inputs,
                           base::MatrixView<const float> router,
                           ExpertRanking ranking,
                           base::MatrixView<int32_t> chosen,
                           base::ThreadPool& pool) {
  MOE_CHECK(chosen.rows == inputs.num_tokens() && chosen.cols <= router.rows);
  const kernels::PackedMatrix packed =
      kernels::PackedMatrix::Pack(router, pool);
  base::Matrix<float> logits(std::min(kEnergyRowsAtOnce, inputs.num_tokens()),
                             router.rows);
  const auto choose = [&](int64_t first,
                          base::MatrixView<const float> rows) -> absl::Status {
    const base::MatrixView<float> out = logits.view().Rows(0, rows.rows);
    kernels::Gemm(rows, packed, out, pool);
    MOE_RETURN_IF_ERROR(CheckLogits(first, out));
    if (ranking == ExpertRanking::kProbabilities) {
      kernels::Softmax(out, /*scale=*/1.0f, kernels::CausalMask(), out, pool);
    }
    kernels::TopK(out, chosen.Rows(first, first + rows.rows), pool);
    return absl::OkStatus();
  };
  base::Matrix<float> buffer;
  return inputs.ForEachBlock(kEnergyRowsAtOnce, buffer, choose);
}

}  // namespace moe::reconstruct
