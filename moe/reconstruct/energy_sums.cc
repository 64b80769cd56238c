#include "moe/reconstruct/energy_sums.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/rows/parallel_rows.h"
#include "moe/model/walk/hidden_states.h"

namespace moe::reconstruct {
namespace {

// A thread's share of columns: with 52 experts their sums are 52 KiB.
constexpr int64_t kColsAtOnce = 128;
// A thread's share of rows.
constexpr int64_t kRowGrain = 16;

double Squared(float x) {
  return static_cast<double>(x) * static_cast<double>(x);
}

// V_tn
float EnergyOf(double weight, double column_norm, float h) {
  return static_cast<float>(weight * (column_norm * Squared(h)));
}

// Columns [begin, begin + count) of a row.
void TakeEnergiesOfRow(float* h, double weight, const double* column_norms,
                       int64_t count, double* totals) {
  for (int64_t n = 0; n < count; ++n) {
    const float energy = EnergyOf(weight, column_norms[n], h[n]);
    h[n] = energy;
    totals[n] += static_cast<double>(energy);
  }
}

void AddRow(const float* row, int64_t count, double* sums) {
  for (int64_t n = 0; n < count; ++n) sums[n] += static_cast<double>(row[n]);
}

}  // namespace

void AddSquaredColumnNorms(base::MatrixView<const float> x,
                           absl::Span<double> norms, base::ThreadPool& pool) {
  MOE_CHECK(static_cast<int64_t>(norms.size()) == x.cols);
  pool.ParallelFor(0, x.cols, kColsAtOnce, [&](int64_t begin, int64_t end) {
    double* const sums = norms.data() + begin;
    for (int64_t r = 0; r < x.rows; ++r) {
      const float* const row = x.RowData(r) + begin;
      for (int64_t c = 0; c < end - begin; ++c) sums[c] += Squared(row[c]);
    }
  });
}

absl::StatusOr<std::vector<double>> TakeEnergies(
    model::HiddenStates& activations, absl::Span<const float> weights,
    absl::Span<const double> column_norms, base::ThreadPool& pool) {
  const int64_t num_tokens = activations.num_tokens();
  const int64_t num_neurons = activations.hidden_size();
  MOE_CHECK(static_cast<int64_t>(weights.size()) == num_tokens &&
            static_cast<int64_t>(column_norms.size()) == num_neurons);
  std::vector<double> totals(column_norms.size());
  base::Matrix<float> buffer;
  for (int64_t first = 0; first < num_tokens; first += kEnergyRowsAtOnce) {
    const int64_t last = std::min(first + kEnergyRowsAtOnce, num_tokens);
    MOE_ASSIGN_OR_RETURN(const base::MatrixView<float> rows,
                         activations.Load(first, last, buffer));
    pool.ParallelFor(
        0, num_neurons, kColsAtOnce, [&](int64_t begin, int64_t end) {
          for (int64_t r = 0; r < rows.rows; ++r) {
            TakeEnergiesOfRow(
                rows.RowData(r) + begin,
                static_cast<double>(weights[static_cast<size_t>(first + r)]),
                column_norms.data() + begin, end - begin,
                totals.data() + begin);
          }
        });
    MOE_RETURN_IF_ERROR(activations.Store(first, rows));
  }
  // A sum of floats fits a double.
  for (size_t n = 0; n < totals.size(); ++n) {
    if (std::isfinite(totals[n])) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "energy of neuron ", n, ": expected finite numbers, found ", totals[n],
        "; the activations or weights of the MLP are too large"));
  }
  return totals;
}

double SumOver(absl::Span<const int64_t> neurons,
               absl::Span<const double> totals) {
  double sum = 0.0;
  for (const int64_t n : neurons) sum += totals[static_cast<size_t>(n)];
  return sum;
}

void AddAffinity(base::MatrixView<const float> energies,
                 base::MatrixView<const int32_t> chosen,
                 base::Matrix<double>& affinity, base::ThreadPool& pool) {
  MOE_CHECK(chosen.rows == energies.rows && affinity.cols() == energies.cols);
  const base::MatrixView<double> sums = affinity.view();
  pool.ParallelFor(
      0, energies.cols, kColsAtOnce, [&](int64_t begin, int64_t end) {
        for (int64_t t = 0; t < energies.rows; ++t) {
          const float* const row = energies.RowData(t) + begin;
          const int32_t* const experts = chosen.RowData(t);
          for (int64_t i = 0; i < chosen.cols; ++i) {
            AddRow(row, end - begin, sums.RowData(experts[i]) + begin);
          }
        }
      });
}

void SumByExpert(base::MatrixView<const float> energies,
                 const base::Matrix<int64_t>& experts,
                 base::MatrixView<float> sums, base::ThreadPool& pool) {
  MOE_CHECK(sums.rows == energies.rows && sums.cols == experts.rows());
  pool.ParallelFor(0, energies.rows, kRowGrain,
                   [&](int64_t begin, int64_t end) {
                     for (int64_t t = begin; t < end; ++t) {
                       const float* const row = energies.RowData(t);
                       float* const out = sums.RowData(t);
                       for (int64_t e = 0; e < sums.cols; ++e) {
                         double sum = 0.0;
                         for (const int64_t neuron : experts.Row(e)) {
                           sum += static_cast<double>(row[neuron]);
                         }
                         out[e] = static_cast<float>(sum);
                       }
                     }
                   });
}

void RouterTargets(base::MatrixView<const float> sums,
                   base::MatrixView<float> targets, base::ThreadPool& pool) {
  MOE_CHECK(base::SameShape(sums, targets));
  pool.ParallelFor(0, sums.rows, kRowGrain, [&](int64_t begin, int64_t end) {
    std::vector<double> roots(static_cast<size_t>(sums.cols));
    for (int64_t t = begin; t < end; ++t) {
      const absl::Span<const float> row = sums.Row(t);
      double total = 0.0;
      for (size_t e = 0; e < roots.size(); ++e) {
        roots[e] = std::sqrt(static_cast<double>(row[e]));
        total += roots[e];
      }
      const double mean = total / static_cast<double>(sums.cols);
      float* const out = targets.RowData(t);
      for (size_t e = 0; e < roots.size(); ++e) {
        out[e] = static_cast<float>(roots[e] - mean);
      }
    }
  });
}

void SumEnergies(base::MatrixView<const float> activations,
                 absl::Span<const float> weights,
                 absl::Span<const double> column_norms,
                 base::MatrixView<float> sums, base::ThreadPool& pool) {
  MOE_CHECK(static_cast<int64_t>(weights.size()) == activations.rows &&
            static_cast<int64_t>(column_norms.size()) == activations.cols &&
            sums.rows == activations.rows && sums.cols == 1);
  kernels::ParallelRows(
      activations.rows, activations.cols, pool,
      [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t) {
          const float* const h = activations.RowData(t);
          const auto weight =
              static_cast<double>(weights[static_cast<size_t>(t)]);
          double sum = 0.0;
          for (size_t n = 0; n < column_norms.size(); ++n) {
            sum += static_cast<double>(EnergyOf(weight, column_norms[n], h[n]));
          }
          *sums.RowData(t) = static_cast<float>(sum);
        }
      });
}

void AddChosenEnergy(base::MatrixView<const float> sums,
                     base::MatrixView<const int32_t> chosen, double& sum) {
  MOE_CHECK(sums.rows == chosen.rows);
  std::vector<float> of_token(static_cast<size_t>(chosen.cols));
  for (int64_t t = 0; t < sums.rows; ++t) {
    const float* const row = sums.RowData(t);
    const absl::Span<const int32_t> experts = chosen.Row(t);
    for (size_t i = 0; i < of_token.size(); ++i) of_token[i] = row[experts[i]];
    std::sort(of_token.begin(), of_token.end(), std::greater<>());
    double of_choice = 0.0;
    for (const float energy : of_token) {
      of_choice += static_cast<double>(energy);
    }
    sum += of_choice;
  }
}

}  // namespace moe::reconstruct
