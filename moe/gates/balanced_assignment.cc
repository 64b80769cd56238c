#include "moe/gates/balanced_assignment.h"

#include <algorithm>
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
#include "moe/base/matrix_view.h"
#include "moe/base/option_checks.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/rows/least_two.h"

namespace moe::gates {
namespace {

constexpr int64_t kInfinity = std::numeric_limits<int64_t>::max();
// The bits of the largest cost as an integer. A path has at most kMaxExperts
// edges of at most 2^51 each, so that its cost fits 62 bits.
constexpr int kCostBits = 50;
// The largest price of a start, as an integer. Its sum with a cost is exact in
// double.
constexpr double kMaxStartPrice = 0x1p51;
// The factor by which a cluster's heaps grow when they have run out of moves.
constexpr size_t kRankGrowth = 4;

// With a larger surplus, a start from prices does not pay.
int64_t MaxWarmSurplus(int64_t num_tokens) {
  return std::max<int64_t>(64, num_tokens / 32);
}

absl::Status CheckProblem(base::MatrixView<const float> costs,
                          const SizeBounds& bounds) {
  if (costs.cols < 1 || costs.cols > base::kMaxExperts) {
    return absl::InvalidArgumentError(absl::StrCat(
        "clusters: expected 1 to ", base::kMaxExperts, ", found ", costs.cols));
  }
  if (bounds.min_size < 0 || bounds.min_size > bounds.max_size ||
      bounds.min_size > costs.rows / costs.cols ||
      bounds.max_size < (costs.rows + costs.cols - 1) / costs.cols) {
    return absl::InvalidArgumentError(
        absl::StrCat("cluster sizes: expected bounds that ", costs.rows,
                     " tokens in ", costs.cols, " clusters can keep, found ",
                     bounds.min_size, " to ", bounds.max_size));
  }
  if (costs.rows > kMaxAssignedTokens) {
    return absl::InvalidArgumentError(absl::StrCat("tokens: expected at most ",
                                                   kMaxAssignedTokens,
                                                   ", found ", costs.rows));
  }
  return absl::OkStatus();
}

absl::Status NonFiniteCost(base::MatrixView<const float> costs) {
  for (int64_t t = 0; t < costs.rows; ++t) {
    for (int64_t e = 0; e < costs.cols; ++e) {
      if (std::isfinite(costs.RowData(t)[e])) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "cost of token ", t, " in cluster ", e,
          ": expected a finite number, found ", costs.RowData(t)[e]));
    }
  }
  MOE_CHECK(false && "every cost is finite");
}

}  // namespace

// One assignment. Its memory serves the next.
//
// The network has a node for each cluster, and one more for sizes, with the
// number num_clusters_. An edge a -> b between clusters is the cheapest move of
// a token. Every cluster has a quota within the bounds. The edge to the node of
// sizes raises the quota and the edge back lowers it; both cost nothing. The
// surplus of a cluster is its size less its quota. The surplus of the node of
// sizes is the sum of all quotas less the number of tokens. The algorithm
// brings every surplus to 0.
class BalancedAssigner::Problem {
 public:
  absl::StatusOr<absl::Span<const int32_t>> Solve(
      base::MatrixView<const float> costs, const SizeBounds& bounds,
      absl::Span<double> prices, base::ThreadPool& pool) {
    MOE_RETURN_IF_ERROR(CheckProblem(costs, bounds));
    MOE_CHECK(static_cast<int64_t>(prices.size()) == costs.cols);
    const float largest = kernels::LargestMagnitude(costs, pool);
    if (!std::isfinite(largest)) return NonFiniteCost(costs);
    Reset(costs, bounds, pool);
    int exponent = 0;
    std::frexp(largest, &exponent);  // largest < 2^exponent.
    scale_ = largest == 0.0f ? 1.0 : std::ldexp(1.0, kCostBits - exponent);
    TakePrices(prices);
    Start();
    // These prices lead further away than none: start cold.
    if (Surplus() > MaxWarmSurplus(costs.rows) && HasStartPrices()) {
      start_prices_.assign(num_clusters_, 0.0);
      Start();
    }
    while (Surplus() > 0) Augment();
    GivePrices(prices);
    return clusters_;
  }

 private:
  // A token's move from its cluster to another.
  struct Move {
    int64_t cost;
    int32_t token;
    friend auto operator<=>(const Move&, const Move&) = default;
  };

  void Reset(base::MatrixView<const float> costs, const SizeBounds& bounds,
             base::ThreadPool& pool) {
    costs_ = costs;
    bounds_ = bounds;
    pool_ = &pool;
    num_clusters_ = static_cast<size_t>(costs.cols);
    clusters_.resize(static_cast<size_t>(costs.rows));
    margins_.resize(static_cast<size_t>(costs.rows));
    members_.resize(num_clusters_);
    moves_.resize(num_clusters_ * num_clusters_);
    ranks_.assign(num_clusters_, 0);
    reaches_.resize(num_clusters_);
    quotas_.resize(num_clusters_);
    surpluses_.resize(num_clusters_ + 1);
    keys_.resize(num_clusters_ + 1);
    parents_.resize(num_clusters_ + 1);
    is_settled_.resize(num_clusters_ + 1);
    pending_.resize(num_clusters_);
  }

  int64_t Cost(int64_t token, size_t cluster) const {
    return static_cast<int64_t>(kernels::PricedCosts::At(
        costs_.RowData(token)[cluster], scale_, /*price=*/0.0));
  }

  void TakePrices(absl::Span<const double> prices) {
    start_prices_.clear();
    for (const double price : prices) {
      start_prices_.push_back(std::nearbyint(price * scale_));
      // False for NaN, too.
      if (std::fabs(start_prices_.back()) <= kMaxStartPrice) continue;
      start_prices_.assign(num_clusters_, 0.0);
      return;
    }
  }

  bool HasStartPrices() const {
    return std::any_of(start_prices_.begin(), start_prices_.end(),
                       [](double price) { return price != 0.0; });
  }

  void GivePrices(absl::Span<double> prices) const {
    for (size_t e = 0; e < num_clusters_; ++e) {
      prices[e] =
          static_cast<double>(prices_[e] - prices_[num_clusters_]) / scale_;
    }
  }

  void Start() {
    prices_.assign(start_prices_.begin(), start_prices_.end());
    prices_.push_back(0);
    TakeNearest();
    TakeQuotas();
  }

  void TakeNearest() {
    for (std::vector<int32_t>& members : members_) {
      // A cluster that was large once gives its memory back.
      if (members.capacity() > 2 * members.size()) {
        members = std::vector<int32_t>();
      }
      members.clear();
    }
    kernels::LeastTwo({costs_, scale_, start_prices_},
                      absl::MakeSpan(clusters_), absl::MakeSpan(margins_),
                      *pool_);
    for (size_t t = 0; t < clusters_.size(); ++t) {
      members_[static_cast<size_t>(clusters_[t])].push_back(
          static_cast<int32_t>(t));
    }
  }

  // Sets the quotas so that no edge of the node of sizes has a negative reduced
  // cost. What remains is surplus; a price that is not 0 adds to it.
  void TakeQuotas() {
    surpluses_[num_clusters_] = -costs_.rows;
    for (size_t e = 0; e < num_clusters_; ++e) {
      const auto size = static_cast<int64_t>(members_[e].size());
      quotas_[e] = prices_[e] > 0 ? bounds_.max_size
                   : prices_[e] < 0
                       ? bounds_.min_size
                       : std::clamp(size, bounds_.min_size, bounds_.max_size);
      surpluses_[e] = size - quotas_[e];
      surpluses_[num_clusters_] += quotas_[e];
    }
  }

  int64_t Surplus() const {
    int64_t sum = 0;
    for (const int64_t surplus : surpluses_) {
      sum += std::max<int64_t>(surplus, 0);
    }
    return sum;
  }

  std::vector<Move>& Moves(size_t from, size_t to) {
    return moves_[from * num_clusters_ + to];
  }

  // The heaps of a cluster are made when a path first leaves it. They hold only
  // the moves whose cost, with the start's prices, is at most its reach.
  bool IsInReach(const Move& move, size_t from, size_t to) const {
    return reaches_[from] == kInfinity || move.cost <= Limit(from, to);
  }

  int64_t Limit(size_t from, size_t to) const {
    return reaches_[from] + static_cast<int64_t>(start_prices_[from]) -
           static_cast<int64_t>(start_prices_[to]);
  }

  // Makes the heaps of a cluster again, with the moves of about ranks_[from]
  // tokens.
  void MakeMoves(size_t from) {
    std::vector<int32_t>& members = members_[from];
    members.erase(std::remove_if(members.begin(), members.end(),
                                 [&](int32_t t) { return !IsIn(t, from); }),
                  members.end());
    reaches_[from] = Reach(from);
    const auto reach = static_cast<double>(reaches_[from]);
    in_reach_.clear();
    for (const int32_t t : members) {
      if (margins_[static_cast<size_t>(t)] <= reach) {
        in_reach_.push_back({Cost(t, from), t});
      }
    }
    // A single task if there is little to do.
    constexpr int64_t kMovesPerTask = 4096;
    const int64_t grain =
        kMovesPerTask / (static_cast<int64_t>(in_reach_.size()) + 1) + 1;
    pool_->ParallelFor(0, static_cast<int64_t>(num_clusters_), grain,
                       [&](int64_t begin, int64_t end) {
                         for (auto to = static_cast<size_t>(begin);
                              to < static_cast<size_t>(end); ++to) {
                           if (to != from) MakeHeap(from, to);
                         }
                       });
  }

  bool IsIn(int32_t token, size_t cluster) const {
    return clusters_[static_cast<size_t>(token)] ==
           static_cast<int32_t>(cluster);
  }

  // The margin of about the ranks_[from]-th token, estimated from a sample.
  int64_t Reach(size_t from) {
    constexpr size_t kSampleSize = 256;
    const std::vector<int32_t>& members = members_[from];
    if (ranks_[from] >= members.size()) return kInfinity;
    const size_t stride = members.size() / kSampleSize + 1;
    sample_.clear();
    for (size_t i = 0; i < members.size(); i += stride) {
      sample_.push_back(margins_[static_cast<size_t>(members[i])]);
    }
    const auto nth =
        sample_.begin() + static_cast<ptrdiff_t>(ranks_[from] / stride);
    std::nth_element(sample_.begin(), nth, sample_.end());
    return std::max<int64_t>(static_cast<int64_t>(*nth), 0);
  }

  void MakeHeap(size_t from, size_t to) {
    std::vector<Move>& moves = Moves(from, to);
    // Gives back memory that it will not need again.
    if (moves.capacity() > 2 * members_[from].size()) {
      moves = std::vector<Move>();
    }
    moves.clear();
    for (const auto& [cost, t] : in_reach_) {
      const Move move = {Cost(t, to) - cost, t};
      if (IsInReach(move, from, to)) moves.push_back(move);
    }
    std::make_heap(moves.begin(), moves.end(), std::greater<>());
  }

  // The cheapest move in reach, or null. Drops tokens that have left.
  const Move* CheapestMove(size_t from, size_t to) {
    std::vector<Move>& moves = Moves(from, to);
    while (!moves.empty() && !IsIn(moves.front().token, from)) {
      std::pop_heap(moves.begin(), moves.end(), std::greater<>());
      moves.pop_back();
    }
    return moves.empty() ? nullptr : &moves.front();
  }

  void MoveToken(int32_t token, size_t to) {
    clusters_[static_cast<size_t>(token)] = static_cast<int32_t>(to);
    // It is in reach of its new cluster, whatever the reach.
    margins_[static_cast<size_t>(token)] = -1;
    members_[to].push_back(token);
    if (ranks_[to] == 0) return;
    const int64_t cost = Cost(token, to);
    for (size_t next = 0; next < num_clusters_; ++next) {
      if (next == to) continue;
      const Move move = {Cost(token, next) - cost, token};
      if (!IsInReach(move, to, next)) continue;
      std::vector<Move>& moves = Moves(to, next);
      moves.push_back(move);
      std::push_heap(moves.begin(), moves.end(), std::greater<>());
    }
  }

  // Moves surplus to a node with a deficit along the cheapest path. Dijkstra's
  // algorithm over reduced costs: with prices p, cost(a -> b) + p_b - p_a >= 0
  // on every edge. The change of prices at the end keeps it so.
  void Augment() {
    for (size_t n = 0; n <= num_clusters_; ++n) {
      keys_[n] = surpluses_[n] > 0 ? 0 : kInfinity;
      parents_[n] = n;
      is_settled_[n] = false;
    }
    least_pending_ = kInfinity;
    while (true) {
      const size_t n = NextNode();
      MOE_CHECK(n <= num_clusters_);
      if (surpluses_[n] < 0) {
        UpdatePrices(keys_[n]);
        PushTo(n);
        return;
      }
      is_settled_[n] = true;
      Relax(n);
    }
  }

  // The nearest node that is not settled. Extends the heaps until no move out
  // of reach can lead to a nearer one.
  size_t NextNode() {
    while (true) {
      size_t nearest = num_clusters_ + 1;
      int64_t least = kInfinity;
      for (size_t n = 0; n <= num_clusters_; ++n) {
        if (is_settled_[n] || keys_[n] >= least) continue;
        least = keys_[n];
        nearest = n;
      }
      if (least_pending_ >= least) return nearest;
      ReachFurther(least);
    }
  }

  // Extends the heaps of the settled clusters whose moves out of reach could
  // lead to a node at less than `key`.
  void ReachFurther(int64_t key) {
    least_pending_ = kInfinity;
    for (size_t a = 0; a < num_clusters_; ++a) {
      if (!is_settled_[a]) continue;
      if (pending_[a] < key) {
        ranks_[a] *= kRankGrowth;
        MakeMoves(a);
        RelaxMoves(a);
      } else {
        least_pending_ = std::min(least_pending_, pending_[a]);
      }
    }
  }

  void Relax(size_t n) {
    if (n < num_clusters_) {
      if (ranks_[n] == 0) {
        ranks_[n] = FirstRank(n);
        MakeMoves(n);
      }
      RelaxMoves(n);
      if (quotas_[n] < bounds_.max_size) RelaxEdge(n, num_clusters_, 0);
      return;
    }
    for (size_t e = 0; e < num_clusters_; ++e) {
      if (quotas_[e] > bounds_.min_size) RelaxEdge(n, e, 0);
    }
  }

  // The tokens that it has to give away, and some that may pass through it.
  size_t FirstRank(size_t cluster) const {
    constexpr size_t kLeastRank = 32;
    return kLeastRank +
           2 * static_cast<size_t>(std::max<int64_t>(surpluses_[cluster], 0));
  }

  void RelaxMoves(size_t a) {
    pending_[a] = kInfinity;
    for (size_t b = 0; b < num_clusters_; ++b) {
      if (is_settled_[b]) continue;
      const Move* const move = CheapestMove(a, b);
      if (move != nullptr) {
        RelaxEdge(a, b, move->cost);
      } else if (reaches_[a] != kInfinity) {
        const int64_t key =
            keys_[a] + Limit(a, b) + 1 + prices_[b] - prices_[a];
        if (key < keys_[b]) pending_[a] = std::min(pending_[a], key);
      }
    }
    least_pending_ = std::min(least_pending_, pending_[a]);
  }

  void RelaxEdge(size_t a, size_t b, int64_t cost) {
    if (is_settled_[b]) return;
    const int64_t key = keys_[a] + cost + prices_[b] - prices_[a];
    if (key >= keys_[b]) return;
    keys_[b] = key;
    parents_[b] = a;
  }

  // Adds to each price the distance of the node, or that of the target if it is
  // nearer, up to a constant that all prices share.
  void UpdatePrices(int64_t distance) {
    for (size_t n = 0; n <= num_clusters_; ++n) {
      if (is_settled_[n]) prices_[n] += distance - keys_[n];
    }
  }

  // Pushes as much as the path allows: one token, or more along edges of sizes
  // alone.
  void PushTo(size_t target) {
    int64_t amount = -surpluses_[target];
    size_t n = target;
    for (; parents_[n] != n; n = parents_[n]) {
      amount = std::min(amount, Capacity(parents_[n], n));
    }
    amount = std::min(amount, surpluses_[n]);
    surpluses_[n] -= amount;
    surpluses_[target] += amount;
    for (n = target; parents_[n] != n; n = parents_[n]) {
      Push(parents_[n], n, amount);
    }
  }

  int64_t Capacity(size_t a, size_t b) const {
    if (b == num_clusters_) return bounds_.max_size - quotas_[a];
    if (a == num_clusters_) return quotas_[b] - bounds_.min_size;
    return 1;
  }

  void Push(size_t a, size_t b, int64_t amount) {
    if (b == num_clusters_) {
      quotas_[a] += amount;
    } else if (a == num_clusters_) {
      quotas_[b] -= amount;
    } else {
      MoveToken(CheapestMove(a, b)->token, b);
    }
  }

  base::MatrixView<const float> costs_;
  double scale_ = 1.0;  // A cost times this is an integer.
  SizeBounds bounds_;
  base::ThreadPool* pool_ = nullptr;
  size_t num_clusters_ = 0;
  std::vector<double> start_prices_;  // [num_clusters]
  std::vector<int32_t> clusters_;     // [num_tokens]
  // [num_tokens]: how much worse the second-best cluster is at the start.
  std::vector<double> margins_;
  // The tokens of each cluster, and some that have left it.
  std::vector<std::vector<int32_t>> members_;
  std::vector<std::vector<Move>> moves_;  // Heaps, [from, to].
  std::vector<size_t> ranks_;       // [num_clusters]: 0 if it has no heaps yet.
  std::vector<int64_t> reaches_;    // [num_clusters]
  std::vector<int64_t> quotas_;     // [num_clusters]
  std::vector<int64_t> surpluses_;  // These and the next are of all nodes.
  std::vector<int64_t> prices_;
  // The state of a path search.
  std::vector<int64_t> keys_;
  std::vector<size_t> parents_;
  std::vector<bool> is_settled_;
  // [num_clusters]: the least key that a move out of reach can lead to.
  std::vector<int64_t> pending_;
  int64_t least_pending_ = 0;
  // Buffers of MakeMoves.
  std::vector<Move> in_reach_;  // With the cost in the token's cluster.
  std::vector<double> sample_;
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
    base::MatrixView<const float> costs, const SizeBounds& bounds,
    absl::Span<double> prices, base::ThreadPool& pool) {
  return problem_->Solve(costs, bounds, prices, pool);
}

}  // namespace moe::gates
