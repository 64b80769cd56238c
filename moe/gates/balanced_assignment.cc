#include "moe/gates/balanced_assignment.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/check.h"
#include "moe/gates/option_checks.h"
#include "moe/kernels/simd/matrix_view.h"

namespace moe {
namespace {

constexpr int64_t kInfinity = std::numeric_limits<int64_t>::max();
// Of the largest cost, as an integer. A path has at most kMaxExperts edges of
// at most 2^51 each, so that its cost fits 62 bits.
constexpr int kCostBits = 50;

absl::Status CheckProblem(MatrixView<const float> costs,
                          const SizeBounds& bounds) {
  if (costs.cols < 1 || costs.cols > kMaxExperts) {
    return absl::InvalidArgumentError(
        absl::StrCat(costs.cols, " clusters; allowed: 1 to ", kMaxExperts));
  }
  if (bounds.min_size < 0 || bounds.min_size > bounds.max_size ||
      bounds.min_size > costs.rows / costs.cols ||
      bounds.max_size < (costs.rows + costs.cols - 1) / costs.cols) {
    return absl::InvalidArgumentError(absl::StrCat(
        costs.rows, " tokens cannot be put into ", costs.cols, " clusters of ",
        bounds.min_size, " to ", bounds.max_size, " each"));
  }
  if (costs.rows > kMaxAssignedTokens) {
    return absl::InvalidArgumentError(absl::StrCat(
        costs.rows, " tokens; allowed: up to ", kMaxAssignedTokens));
  }
  for (int64_t t = 0; t < costs.rows; ++t) {
    for (int64_t e = 0; e < costs.cols; ++e) {
      if (std::isfinite(costs.RowData(t)[e])) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "the cost of token ", t, " in cluster ", e, " is NaN or infinite"));
    }
  }
  return absl::OkStatus();
}

class Assignment {
 public:
  Assignment(MatrixView<const float> costs, const SizeBounds& bounds)
      : costs_(costs),
        bounds_(bounds),
        num_clusters_(static_cast<size_t>(costs.cols)),
        scale_(CostScale(costs)),
        sizes_(num_clusters_),
        potentials_(num_clusters_),
        members_(num_clusters_),
        moves_(num_clusters_ * num_clusters_),
        has_moves_(num_clusters_),
        keys_(num_clusters_),
        parents_(num_clusters_),
        is_settled_(num_clusters_) {}

  std::vector<int32_t> Solve() {
    TakeNearest();
    // The potential of the node that sizes flow into: see Augment.
    sizes_potential_ = 0;
    const auto is_over = [&](size_t e) { return sizes_[e] > bounds_.max_size; };
    const auto has_room = [&](size_t e) {
      return sizes_[e] < bounds_.max_size;
    };
    while (Any(is_over)) sizes_potential_ = Augment(0, is_over, has_room);
    const int64_t source_potential = sizes_potential_;
    const auto can_give = [&](size_t e) {
      return sizes_[e] > bounds_.min_size;
    };
    const auto is_under = [&](size_t e) {
      return sizes_[e] < bounds_.min_size;
    };
    while (Any(is_under)) Augment(source_potential, can_give, is_under);
    return clusters_;
  }

 private:
  // A token's move from its cluster to another.
  struct Move {
    int64_t cost;
    int32_t token;
    friend auto operator<=>(const Move&, const Move&) = default;
  };

  static double CostScale(MatrixView<const float> costs) {
    float largest = 0.0f;
    for (int64_t t = 0; t < costs.rows; ++t) {
      for (int64_t e = 0; e < costs.cols; ++e) {
        largest = std::max(largest, std::fabs(costs.RowData(t)[e]));
      }
    }
    int exponent = 0;
    std::frexp(largest, &exponent);  // largest < 2^exponent.
    return largest == 0.0f ? 1.0 : std::ldexp(1.0, kCostBits - exponent);
  }

  int64_t Cost(int64_t token, size_t cluster) const {
    // Exact but for the rounding to an integer.
    return std::llrint(static_cast<double>(costs_.RowData(token)[cluster]) *
                       scale_);
  }

  template <typename Predicate>
  bool Any(const Predicate& predicate) const {
    for (size_t e = 0; e < num_clusters_; ++e) {
      if (predicate(e)) return true;
    }
    return false;
  }

  void TakeNearest() {
    clusters_.resize(static_cast<size_t>(costs_.rows));
    for (int64_t t = 0; t < costs_.rows; ++t) {
      size_t nearest = 0;
      int64_t least = Cost(t, 0);
      for (size_t e = 1; e < num_clusters_; ++e) {
        const int64_t cost = Cost(t, e);
        if (cost < least) {
          least = cost;
          nearest = e;
        }
      }
      clusters_[static_cast<size_t>(t)] = static_cast<int32_t>(nearest);
      members_[nearest].push_back(static_cast<int32_t>(t));
      ++sizes_[nearest];
    }
  }

  std::vector<Move>& Moves(size_t from, size_t to) {
    return moves_[from * num_clusters_ + to];
  }

  // The heaps of a cluster are made when a path first leaves it.
  void MakeMoves(size_t from) {
    if (has_moves_[from]) return;
    has_moves_[from] = true;
    for (size_t to = 0; to < num_clusters_; ++to) {
      if (to == from) continue;
      std::vector<Move>& moves = Moves(from, to);
      for (const int32_t t : members_[from]) {
        moves.push_back({Cost(t, to) - Cost(t, from), t});
      }
      std::make_heap(moves.begin(), moves.end(), std::greater<>());
    }
    members_[from] = {};
  }

  // The cheapest move, or null. Tokens that have left are dropped.
  const Move* CheapestMove(size_t from, size_t to) {
    std::vector<Move>& moves = Moves(from, to);
    while (!moves.empty() &&
           clusters_[static_cast<size_t>(moves.front().token)] !=
               static_cast<int32_t>(from)) {
      std::pop_heap(moves.begin(), moves.end(), std::greater<>());
      moves.pop_back();
    }
    return moves.empty() ? nullptr : &moves.front();
  }

  void MoveToken(int32_t token, size_t to) {
    clusters_[static_cast<size_t>(token)] = static_cast<int32_t>(to);
    if (!has_moves_[to]) {
      members_[to].push_back(token);
      return;
    }
    const int64_t cost = Cost(token, to);
    for (size_t next = 0; next < num_clusters_; ++next) {
      if (next == to) continue;
      std::vector<Move>& moves = Moves(to, next);
      moves.push_back({Cost(token, next) - cost, token});
      std::push_heap(moves.begin(), moves.end(), std::greater<>());
    }
  }

  // One token's worth of size from the nearest source to a target, along the
  // cheapest path. Dijkstra's algorithm over reduced costs: with a potential p
  // for every cluster, cost(a -> b) + p_a - p_b >= 0 on every edge, which a
  // move along a shortest path preserves. Sizes flow from the source's node, of
  // potential `source_potential`, and into another one, whose potential is
  // returned. Between clusters that can give and take they are the same node:
  // its potential goes from the first phase to the second.
  template <typename IsSource, typename IsTarget>
  int64_t Augment(int64_t source_potential, const IsSource& is_source,
                  const IsTarget& is_target) {
    for (size_t e = 0; e < num_clusters_; ++e) {
      keys_[e] = is_source(e) ? source_potential - potentials_[e] : kInfinity;
      parents_[e] = e;
      is_settled_[e] = false;
    }
    // Path cost of the cheapest target so far.
    int64_t best = kInfinity;
    size_t target = num_clusters_;
    while (true) {
      const size_t a = NearestUnsettled();
      if (a == num_clusters_) break;
      // Every path that goes on costs at least this much, reduced.
      if (target != num_clusters_ &&
          keys_[a] >= best - potentials_[target] + source_potential) {
        break;
      }
      is_settled_[a] = true;
      const int64_t path_cost = keys_[a] + potentials_[a] - source_potential;
      if (is_target(a) && path_cost < best) {
        best = path_cost;
        target = a;
      }
      Relax(a);
    }
    MOE_CHECK(target != num_clusters_);
    UpdatePotentials(keys_[target]);
    MoveAlongPath(target);
    return source_potential + best;
  }

  size_t NearestUnsettled() const {
    size_t nearest = num_clusters_;
    for (size_t e = 0; e < num_clusters_; ++e) {
      if (is_settled_[e] || keys_[e] == kInfinity) continue;
      if (nearest == num_clusters_ || keys_[e] < keys_[nearest]) nearest = e;
    }
    return nearest;
  }

  void Relax(size_t a) {
    MakeMoves(a);
    for (size_t b = 0; b < num_clusters_; ++b) {
      if (is_settled_[b]) continue;
      const Move* const move = CheapestMove(a, b);
      if (move == nullptr) continue;
      const int64_t key =
          keys_[a] + move->cost + potentials_[a] - potentials_[b];
      if (key < keys_[b]) {
        keys_[b] = key;
        parents_[b] = a;
      }
    }
  }

  void UpdatePotentials(int64_t distance) {
    for (size_t e = 0; e < num_clusters_; ++e) {
      potentials_[e] +=
          is_settled_[e] ? std::min(keys_[e], distance) : distance;
    }
  }

  void MoveAlongPath(size_t target) {
    ++sizes_[target];
    size_t b = target;
    for (; parents_[b] != b; b = parents_[b]) {
      MoveToken(CheapestMove(parents_[b], b)->token, b);
    }
    --sizes_[b];
  }

  const MatrixView<const float> costs_;
  const SizeBounds bounds_;
  const size_t num_clusters_;
  const double scale_;
  std::vector<int32_t> clusters_;  // [num_tokens]
  std::vector<int64_t> sizes_;     // [num_clusters], as the rest.
  std::vector<int64_t> potentials_;
  int64_t sizes_potential_ = 0;
  // Tokens of the clusters without heaps.
  std::vector<std::vector<int32_t>> members_;
  std::vector<std::vector<Move>> moves_;  // Heaps, [from, to].
  std::vector<bool> has_moves_;
  // Of the path search.
  std::vector<int64_t> keys_;
  std::vector<size_t> parents_;
  std::vector<bool> is_settled_;
};

}  // namespace

SizeBounds BalancedBounds(int64_t num_tokens, int64_t num_clusters,
                          double jitter) {
  MOE_CHECK(num_clusters > 0 && jitter >= 0.0 && jitter <= 1.0);
  const double even =
      static_cast<double>(num_tokens) / static_cast<double>(num_clusters);
  const double slack = 1e-9 + 1e-12 * even;
  const auto lower =
      static_cast<int64_t>(std::floor(even * (1.0 - jitter) + slack));
  const auto upper =
      static_cast<int64_t>(std::ceil(even * (1.0 + jitter) - slack));
  return {std::max<int64_t>(0, lower), std::min(num_tokens, upper)};
}

absl::StatusOr<std::vector<int32_t>> AssignBalanced(
    MatrixView<const float> costs, const SizeBounds& bounds) {
  const absl::Status status = CheckProblem(costs, bounds);
  if (!status.ok()) return status;
  return Assignment(costs, bounds).Solve();
}

}  // namespace moe
