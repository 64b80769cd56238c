#include "moe/reconstruct/testing/energy_reference.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "moe/base/matrix.h"
#include "moe/base/philox.h"
#include "moe/reconstruct/energy_split_options.pb.h"

namespace moe::reconstruct::reference {
namespace {

using Choice = std::vector<int64_t>;  // The experts of a token, best first.

template <typename T>
T& At(base::Matrix<T>& matrix, int64_t row, int64_t col) {
  return matrix.view().RowData(row)[col];
}
template <typename T>
T At(const base::Matrix<T>& matrix, int64_t row, int64_t col) {
  return matrix.view().RowData(row)[col];
}
template <typename T>
T At(const std::vector<T>& values, int64_t index) {
  return values[static_cast<size_t>(index)];
}

// The `count` largest, by (value, index).
template <typename T>
Choice Largest(const std::vector<T>& values, int64_t count) {
  Choice order;
  for (int64_t i = 0; i < static_cast<int64_t>(values.size()); ++i) {
    order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return At(values, a) > At(values, b);
  });
  order.resize(static_cast<size_t>(count));
  return order;
}

std::vector<Choice> ChooseByLogits(const base::Matrix<float>& x,
                                   const base::Matrix<float>& router,
                                   int64_t top_k) {
  std::vector<Choice> chosen;
  for (int64_t t = 0; t < x.rows(); ++t) {
    std::vector<float> logits(static_cast<size_t>(router.rows()));
    for (int64_t e = 0; e < router.rows(); ++e) {
      float logit = 0.0f;
      for (int64_t i = 0; i < x.cols(); ++i) {
        logit = std::fma(At(x, t, i), At(router, e, i), logit);
      }
      logits[static_cast<size_t>(e)] = logit;
    }
    chosen.push_back(Largest(logits, top_k));
  }
  return chosen;
}

// The assignment of least cost, by trying all.
class Assignments {
 public:
  Assignments(const base::Matrix<float>& costs, int64_t expert_size)
      : costs_(costs),
        room_(static_cast<size_t>(costs.cols()), expert_size),
        current_(static_cast<size_t>(costs.rows())) {}

  Choice Best() {
    Try(0, 0.0);
    return best_;
  }

 private:
  void Try(int64_t neuron, double cost) {
    if (neuron == costs_.rows()) {
      if (cost < least_) {
        least_ = cost;
        best_ = current_;
      }
      return;
    }
    for (int64_t e = 0; e < costs_.cols(); ++e) {
      int64_t& room = room_[static_cast<size_t>(e)];
      if (room == 0) continue;
      --room;
      current_[static_cast<size_t>(neuron)] = e;
      Try(neuron + 1, cost + static_cast<double>(At(costs_, neuron, e)));
      ++room;
    }
  }

  const base::Matrix<float>& costs_;
  std::vector<int64_t> room_;
  Choice current_, best_;
  double least_ = std::numeric_limits<double>::infinity();
};

// One iteration after the other, on what it is made with.
class Split {
 public:
  Split(const EnergyCase& layer, const EnergySplitOptions& options,
        int64_t expert_size)
      : layer_(layer),
        options_(options),
        expert_size_(expert_size),
        energies_(layer.activations.rows(), layer.activations.cols()) {}

  EnergyResult Run() {
    FindEnergies();
    FindShared();
    Factor();
    chosen_ = ChooseByLogits(layer_.inputs, layer_.start, options_.top_k());
    for (int64_t i = 0; i < options_.iterations(); ++i) Iterate(i);
    return std::move(result_);
  }

 private:
  int64_t num_tokens() const { return layer_.inputs.rows(); }
  int64_t hidden_size() const { return layer_.inputs.cols(); }
  int64_t num_experts() const { return options_.num_experts(); }

  void FindEnergies() {
    for (int64_t t = 0; t < num_tokens(); ++t) {
      for (int64_t n = 0; n < energies_.cols(); ++n) {
        const double h = At(layer_.activations, t, n);
        At(energies_, t, n) =
            static_cast<float>(double{At(layer_.weights, t)} *
                               (At(layer_.column_norms, n) * (h * h)));
      }
    }
  }

  void FindShared() {
    std::vector<double> totals(static_cast<size_t>(energies_.cols()));
    for (int64_t n = 0; n < energies_.cols(); ++n) {
      for (int64_t t = 0; t < num_tokens(); ++t) {
        totals[static_cast<size_t>(n)] += At(energies_, t, n);
      }
    }
    result_.shared = Largest(totals, options_.num_shared_neurons());
    std::sort(result_.shared.begin(), result_.shared.end());
    for (int64_t n = 0; n < energies_.cols(); ++n) {
      const bool is_shared =
          std::find(result_.shared.begin(), result_.shared.end(), n) !=
          result_.shared.end();
      (is_shared ? result_.shared_total : result_.routed_total) +=
          At(totals, n);
      if (!is_shared) routed_.push_back(n);
    }
  }

  void Factor() {
    const int64_t size = hidden_size();
    factor_ = base::Matrix<double>::Zeros(size, size);
    for (int64_t t = 0; t < num_tokens(); ++t) {
      for (int64_t i = 0; i < size; ++i) {
        for (int64_t j = 0; j < size; ++j) {
          double& sum = At(factor_, i, j);
          sum = std::fma(
              double{At(layer_.weights, t)} * double{At(layer_.inputs, t, i)},
              double{At(layer_.inputs, t, j)}, sum);
        }
      }
    }
    double trace = 0.0;
    for (int64_t i = 0; i < size; ++i) trace += At(factor_, i, i);
    const double lambda =
        options_.ridge() * (trace / static_cast<double>(size));
    for (int64_t i = 0; i < size; ++i) At(factor_, i, i) += lambda;
    for (int64_t j = 0; j < size; ++j) {
      for (int64_t i = j; i < size; ++i) {
        double s = At(factor_, i, j);
        for (int64_t k = 0; k < j; ++k) {
          s = std::fma(-At(factor_, i, k), At(factor_, j, k), s);
        }
        At(factor_, i, j) = i == j ? std::sqrt(s) : s / At(factor_, j, j);
      }
    }
  }

  base::Matrix<int64_t> AssignNeurons() const {
    base::Matrix<float> costs(static_cast<int64_t>(routed_.size()),
                              num_experts());
    for (int64_t i = 0; i < costs.rows(); ++i) {
      for (int64_t e = 0; e < num_experts(); ++e) {
        double affinity = 0.0;
        for (int64_t t = 0; t < num_tokens(); ++t) {
          const Choice& of_token = chosen_[static_cast<size_t>(t)];
          if (std::find(of_token.begin(), of_token.end(), e) !=
              of_token.end()) {
            affinity += At(energies_, t, At(routed_, i));
          }
        }
        At(costs, i, e) = -static_cast<float>(affinity);
      }
    }
    const Choice expert_of = Assignments(costs, expert_size_).Best();
    base::Matrix<int64_t> experts(num_experts(), expert_size_);
    std::vector<int64_t> filled(static_cast<size_t>(num_experts()));
    for (int64_t i = 0; i < costs.rows(); ++i) {
      const int64_t e = At(expert_of, i);
      At(experts, e, filled[static_cast<size_t>(e)]++) = At(routed_, i);
    }
    return experts;
  }

  base::Matrix<float> EnergyOf(const base::Matrix<int64_t>& experts) const {
    base::Matrix<float> sums(num_tokens(), num_experts());
    for (int64_t t = 0; t < num_tokens(); ++t) {
      for (int64_t e = 0; e < num_experts(); ++e) {
        double sum = 0.0;
        for (const int64_t n : experts.Row(e)) sum += At(energies_, t, n);
        At(sums, t, e) = static_cast<float>(sum);
      }
    }
    return sums;
  }

  // [T, E].
  base::Matrix<float> Targets(const base::Matrix<float>& sums) const {
    base::Matrix<float> targets(num_tokens(), num_experts());
    for (int64_t t = 0; t < num_tokens(); ++t) {
      double total = 0.0;
      for (int64_t e = 0; e < num_experts(); ++e) {
        total += std::sqrt(double{At(sums, t, e)});
      }
      for (int64_t e = 0; e < num_experts(); ++e) {
        At(targets, t, e) =
            static_cast<float>(std::sqrt(double{At(sums, t, e)}) -
                               total / static_cast<double>(num_experts()));
      }
    }
    return targets;
  }

  // A router's row for the targets of expert e.
  std::vector<double> Solve(const base::Matrix<float>& targets,
                            int64_t e) const {
    const int64_t size = hidden_size();
    std::vector<double> x(static_cast<size_t>(size));
    for (int64_t i = 0; i < size; ++i) {
      double& sum = x[static_cast<size_t>(i)];
      for (int64_t t = 0; t < num_tokens(); ++t) {
        sum =
            std::fma(double{At(layer_.weights, t)} * double{At(targets, t, e)},
                     double{At(layer_.inputs, t, i)}, sum);
      }
    }
    for (int64_t i = 0; i < size; ++i) {
      double& s = x[static_cast<size_t>(i)];
      for (int64_t k = 0; k < i; ++k) {
        s = std::fma(-At(factor_, i, k), At(x, k), s);
      }
      s /= At(factor_, i, i);
    }
    for (int64_t i = size - 1; i >= 0; --i) {
      double& s = x[static_cast<size_t>(i)];
      for (int64_t k = size - 1; k > i; --k) {
        s = std::fma(-At(factor_, k, i), At(x, k), s);
      }
      s /= At(factor_, i, i);
    }
    return x;
  }

  // The root mean square of the logits, by the tokens' weights.
  double LogitSize(const std::vector<std::vector<double>>& rows) const {
    double sum = 0.0;
    for (int64_t t = 0; t < num_tokens(); ++t) {
      for (const std::vector<double>& row : rows) {
        double logit = 0.0;
        for (int64_t i = 0; i < hidden_size(); ++i) {
          logit += At(row, i) * double{At(layer_.inputs, t, i)};
        }
        sum += double{At(layer_.weights, t)} * logit * logit;
      }
    }
    return std::sqrt(sum / static_cast<double>(num_tokens() * num_experts()));
  }

  double EnergyOfChoice(const base::Matrix<float>& sums, bool is_oracle) const {
    double total = 0.0;
    for (int64_t t = 0; t < num_tokens(); ++t) {
      std::vector<float> of_token;
      if (is_oracle) {
        of_token.assign(sums.Row(t).begin(), sums.Row(t).end());
      } else {
        for (const int64_t e : chosen_[static_cast<size_t>(t)]) {
          of_token.push_back(At(sums, t, e));
        }
      }
      std::sort(of_token.begin(), of_token.end(), std::greater<>());
      double sum = 0.0;
      for (int64_t i = 0; i < options_.top_k(); ++i) sum += At(of_token, i);
      total += sum;
    }
    return total;
  }

  void Iterate(int64_t iteration) {
    base::Matrix<int64_t> experts = AssignNeurons();
    const base::Matrix<float> sums = EnergyOf(experts);
    const base::Matrix<float> targets = Targets(sums);
    base::Matrix<float> router(num_experts(), hidden_size());
    std::vector<std::vector<double>> rows;
    for (int64_t e = 0; e < num_experts(); ++e) {
      rows.push_back(Solve(targets, e));
    }
    const double size = LogitSize(rows);
    const double scale =
        size > 0.0
            ? std::exp2(std::floor(std::log2(options_.router_spread() / size)))
            : 1.0;
    for (int64_t e = 0; e < num_experts(); ++e) {
      for (int64_t i = 0; i < hidden_size(); ++i) {
        At(router, e, i) =
            static_cast<float>(scale * At(rows[static_cast<size_t>(e)], i));
      }
    }
    chosen_ = ChooseByLogits(layer_.inputs, router, options_.top_k());
    const double captured = EnergyOfChoice(sums, /*is_oracle=*/false);
    result_.captured.push_back(captured);
    if (iteration > 0 &&
        captured <= At(result_.captured, result_.best_iteration)) {
      return;
    }
    result_.best_iteration = iteration;
    result_.router = std::move(router);
    result_.experts = std::move(experts);
    result_.oracle = EnergyOfChoice(sums, /*is_oracle=*/true);
    result_.loads.assign(static_cast<size_t>(num_experts()), 0);
    for (const Choice& of_token : chosen_) {
      for (const int64_t e : of_token) ++result_.loads[static_cast<size_t>(e)];
    }
  }

  const EnergyCase& layer_;
  const EnergySplitOptions& options_;
  const int64_t expert_size_;
  base::Matrix<float> energies_;
  Choice routed_;
  base::Matrix<double> factor_;
  std::vector<Choice> chosen_;
  EnergyResult result_;
};

void Fill(base::RandomStream& stream, float scale,
          base::Matrix<float>& matrix) {
  for (float& value : matrix.values()) value = stream.UniformSymmetric(scale);
}

}  // namespace

EnergyCase DrawEnergyCase(const EnergyCaseSize& size, absl::string_view name) {
  base::RandomStream stream(/*seed=*/1, name);
  EnergyCase layer = {base::Matrix<float>(size.num_tokens, size.hidden_size),
                      base::Matrix<float>(size.num_tokens, size.num_neurons),
                      {},
                      {},
                      base::Matrix<float>(size.num_experts, size.hidden_size)};
  Fill(stream, 1.0f, layer.inputs);
  Fill(stream, 1.0f, layer.activations);
  Fill(stream, 1.0f, layer.start);
  for (int64_t t = 0; t < size.num_tokens; ++t) {
    for (int64_t n = 0; n < size.num_neurons; ++n) {
      At(layer.activations, t, n) *=
          1.0f + 3.0f * At(layer.inputs, t, n * 7 % size.hidden_size);
    }
    layer.weights.push_back(1.5f + stream.UniformSymmetric(1.0f));
  }
  for (int64_t n = 0; n < size.num_neurons; ++n) {
    layer.column_norms.push_back(2.0 + double{stream.UniformSymmetric(1.5f)});
  }
  return layer;
}

EnergyResult SplitByEnergy(const EnergyCase& layer,
                           const EnergySplitOptions& options,
                           int64_t expert_size) {
  return Split(layer, options, expert_size).Run();
}

}  // namespace moe::reconstruct::reference
