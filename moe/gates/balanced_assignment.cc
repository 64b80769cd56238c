#include "moe/gates/balanced_assignment.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/option_checks.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/simd/matrix_view.h"

namespace moe {
namespace {

constexpr int64_t kInfinity = std::numeric_limits<int64_t>::max();
// Of the largest cost, as an integer. A path has at most kMaxExperts edges of
// at most 2^51 each, so that its cost fits 62 bits.
constexpr int kCostBits = 50;
constexpr int64_t kTokensPerTask = 4096;

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
  return absl::OkStatus();
}

absl::Status NonFiniteCost(MatrixView<const float> costs) {
  for (int64_t t = 0; t < costs.rows; ++t) {
    for (int64_t e = 0; e < costs.cols; ++e) {
      if (std::isfinite(costs.RowData(t)[e])) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "the cost of token ", t, " in cluster ", e, " is NaN or infinite"));
    }
  }
  MOE_CHECK(false && "every cost is finite");
}

// The largest magnitude; NaN or infinity if a cost is.
float LargestMagnitude(MatrixView<const float> costs, ThreadPool& pool) {
  std::vector<float> largest(
      static_cast<size_t>((costs.rows + kTokensPerTask - 1) / kTokensPerTask));
  pool.ParallelFor(
      0, costs.rows, kTokensPerTask, [&](int64_t begin, int64_t end) {
        float found = 0.0f;
        for (int64_t t = begin; t < end; ++t) {
          const float* const row = costs.RowData(t);
          for (int64_t e = 0; e < costs.cols; ++e) {
            const float magnitude = std::fabs(row[e]);
            // Once NaN, it stays: no comparison with it is true.
            if (!(magnitude <= found) && !std::isnan(found)) found = magnitude;
          }
        }
        largest[static_cast<size_t>(begin / kTokensPerTask)] = found;
      });
  float found = 0.0f;
  for (const float magnitude : largest) {
    if (!(magnitude <= found) && !std::isnan(found)) found = magnitude;
  }
  return found;
}

}  // namespace

// One assignment; its memory serves the next.
class BalancedAssigner::Problem {
 public:
  absl::StatusOr<absl::Span<const int32_t>> Solve(MatrixView<const float> costs,
                                                  const SizeBounds& bounds,
                                                  ThreadPool& pool) {
    MOE_RETURN_IF_ERROR(CheckProblem(costs, bounds));
    const float largest = LargestMagnitude(costs, pool);
    if (!std::isfinite(largest)) return NonFiniteCost(costs);
    Reset(costs, bounds, pool);
    TakeNearest(costs, largest);
    RepairSizes();
    return clusters_;
  }

 private:
  // A token's move from its cluster to another.
  struct Move {
    int64_t cost;
    int32_t token;
    friend auto operator<=>(const Move&, const Move&) = default;
  };

  void Reset(MatrixView<const float> costs, const SizeBounds& bounds,
             ThreadPool& pool) {
    bounds_ = bounds;
    pool_ = &pool;
    num_clusters_ = static_cast<size_t>(costs.cols);
    costs_.resize(static_cast<size_t>(costs.rows) * num_clusters_);
    clusters_.resize(static_cast<size_t>(costs.rows));
    sizes_.assign(num_clusters_, 0);
    potentials_.assign(num_clusters_, 0);
    members_.resize(num_clusters_);
    for (std::vector<int32_t>& members : members_) members.clear();
    moves_.resize(num_clusters_ * num_clusters_);
    has_moves_.assign(num_clusters_, false);
    keys_.resize(num_clusters_);
    parents_.resize(num_clusters_);
    is_settled_.resize(num_clusters_);
  }

  int64_t Cost(int64_t token, size_t cluster) const {
    return costs_[static_cast<size_t>(token) * num_clusters_ + cluster];
  }

  template <typename Predicate>
  bool Any(const Predicate& predicate) const {
    for (size_t e = 0; e < num_clusters_; ++e) {
      if (predicate(e)) return true;
    }
    return false;
  }

  // Makes integers of the costs on the way.
  void TakeNearest(MatrixView<const float> costs, float largest) {
    int exponent = 0;
    std::frexp(largest, &exponent);  // largest < 2^exponent.
    const double scale =
        largest == 0.0f ? 1.0 : std::ldexp(1.0, kCostBits - exponent);
    pool_->ParallelFor(0, costs.rows, kTokensPerTask,
                       [&](int64_t begin, int64_t end) {
                         for (int64_t t = begin; t < end; ++t) {
                           ToIntegers(t, costs.RowData(t), scale);
                           clusters_[static_cast<size_t>(t)] = Nearest(t);
                         }
                       });
    for (size_t t = 0; t < clusters_.size(); ++t) {
      const auto e = static_cast<size_t>(clusters_[t]);
      members_[e].push_back(static_cast<int32_t>(t));
      ++sizes_[e];
    }
  }

  // The nearest integers, ties to even: the low bits of sums with 1.5 2^52, as
  // costs are below 2^51.
  void ToIntegers(int64_t token, const float* row, double scale) {
    constexpr double kRound = 0x1.8p52;
    int64_t* const out =
        costs_.data() + static_cast<size_t>(token) * num_clusters_;
    for (size_t e = 0; e < num_clusters_; ++e) {
      out[e] =
          std::bit_cast<int64_t>(static_cast<double>(row[e]) * scale + kRound) -
          std::bit_cast<int64_t>(kRound);
    }
  }

  int32_t Nearest(int64_t token) const {
    size_t nearest = 0;
    int64_t least = Cost(token, 0);
    for (size_t e = 1; e < num_clusters_; ++e) {
      const int64_t cost = Cost(token, e);
      if (cost < least) {
        least = cost;
        nearest = e;
      }
    }
    return static_cast<int32_t>(nearest);
  }

  void RepairSizes() {
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
  }

  std::vector<Move>& Moves(size_t from, size_t to) {
    return moves_[from * num_clusters_ + to];
  }

  // The heaps of a cluster are made when a path first leaves it.
  void MakeMoves(size_t from) {
    if (has_moves_[from]) return;
    has_moves_[from] = true;
    pool_->ParallelFor(0, static_cast<int64_t>(num_clusters_), /*grain=*/1,
                       [&](int64_t begin, int64_t end) {
                         for (auto to = static_cast<size_t>(begin);
                              to < static_cast<size_t>(end); ++to) {
                           if (to != from) MakeHeap(from, to);
                         }
                       });
  }

  void MakeHeap(size_t from, size_t to) {
    std::vector<Move>& moves = Moves(from, to);
    // No larger than it may have to be again.
    if (moves.capacity() > 2 * members_[from].size()) moves = {};
    moves.clear();
    moves.reserve(members_[from].size());
    for (const int32_t t : members_[from]) {
      moves.push_back({Cost(t, to) - Cost(t, from), t});
    }
    std::make_heap(moves.begin(), moves.end(), std::greater<>());
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

  SizeBounds bounds_;
  ThreadPool* pool_ = nullptr;
  // [num_tokens, num_clusters], in the unit that kCostBits says: side by side,
  // where those of a clustering are far apart.
  std::vector<int64_t> costs_;
  size_t num_clusters_ = 0;
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

BalancedAssigner::BalancedAssigner() : problem_(std::make_unique<Problem>()) {}
BalancedAssigner::BalancedAssigner(BalancedAssigner&&) noexcept = default;
BalancedAssigner& BalancedAssigner::operator=(BalancedAssigner&&) noexcept =
    default;
BalancedAssigner::~BalancedAssigner() = default;

absl::StatusOr<absl::Span<const int32_t>> BalancedAssigner::Assign(
    MatrixView<const float> costs, const SizeBounds& bounds, ThreadPool& pool) {
  return problem_->Solve(costs, bounds, pool);
}

}  // namespace moe
