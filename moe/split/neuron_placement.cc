#include "moe/split/neuron_placement.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <set>
#include <vector>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/checkpoint/artifact/neuron_indices.h"
#include "moe/split/split_options.pb.h"

namespace moe::split {
namespace {

// The best free neuron for an expert.
struct Candidate {
  int64_t place = 0;  // Its index in the expert's ranking.
  int32_t neuron = 0;
  float score = 0.0f;
};

class Placement {
 public:
  Placement(const NeuronPreferences& preferences, int64_t expert_size,
            std::vector<bool>& is_taken)
      : preferences_(preferences),
        is_taken_(is_taken),
        candidates_(static_cast<size_t>(preferences.scores.rows())),
        sizes_(candidates_.size()),
        experts_(preferences.scores.rows(), expert_size) {
    for (int64_t e = 0; e < experts_.rows(); ++e) Advance(e);
  }

  base::Matrix<int64_t> Run() {
    for (int64_t left = experts_.rows() * experts_.cols(); left > 0; --left) {
      Place(Winner());
    }
    return experts_;
  }

 private:
  bool IsFull(int64_t e) const {
    return sizes_[static_cast<size_t>(e)] == experts_.cols();
  }

  // Moves to the expert's best free neuron, if there is one.
  void Advance(int64_t e) {
    Candidate& candidate = candidates_[static_cast<size_t>(e)];
    const auto ranked = preferences_.ranking.Row(e);
    int64_t& at = candidate.place;
    while (at < preferences_.ranking.cols() &&
           is_taken_[static_cast<size_t>(ranked[static_cast<size_t>(at)])]) {
      ++at;
    }
    if (at == preferences_.ranking.cols()) return;
    candidate.neuron = ranked[static_cast<size_t>(at)];
    candidate.score =
        preferences_.scores.Row(e)[static_cast<size_t>(candidate.neuron)];
  }

  int64_t Winner() const {
    int64_t winner = -1;
    for (int64_t e = experts_.rows() - 1; e >= 0; --e) {
      if (IsFull(e)) continue;
      const float score = candidates_[static_cast<size_t>(e)].score;
      if (winner < 0 ||
          IsBetter(score, candidates_[static_cast<size_t>(winner)].score,
                   preferences_.criterion)) {
        winner = e;
      }
    }
    return winner;
  }

  void Place(int64_t winner) {
    const int32_t neuron = candidates_[static_cast<size_t>(winner)].neuron;
    int64_t& size = sizes_[static_cast<size_t>(winner)];
    MOE_CHECK(!is_taken_[static_cast<size_t>(neuron)]);
    experts_.Row(winner)[static_cast<size_t>(size++)] = neuron;
    is_taken_[static_cast<size_t>(neuron)] = true;
    for (int64_t e = 0; e < experts_.rows(); ++e) {
      if (candidates_[static_cast<size_t>(e)].neuron == neuron) Advance(e);
    }
  }

  const NeuronPreferences& preferences_;
  std::vector<bool>& is_taken_;
  std::vector<Candidate> candidates_;  // [num_experts]
  std::vector<int64_t> sizes_;         // The neurons of each expert so far.
  base::Matrix<int64_t> experts_;
};

// The lists of the experts, from which neurons are chosen.
class Lists {
 public:
  Lists(const base::Matrix<int32_t>& ranking, int64_t list_size)
      : ranking_(ranking),
        next_(static_cast<size_t>(ranking.rows())),
        lists_of_(static_cast<size_t>(ranking.cols())),
        is_chosen_(static_cast<size_t>(ranking.cols())),
        by_count_(static_cast<size_t>(ranking.rows()) + 1) {
    for (int64_t e = 0; e < ranking.rows(); ++e) {
      for (int64_t i = 0; i < list_size; ++i) Extend(e);
    }
  }

  // The neurons in the most lists, ascending.
  const std::set<int32_t>& MostWanted() const {
    for (auto neurons = by_count_.rbegin(); neurons != by_count_.rend();
         ++neurons) {
      if (!neurons->empty()) return *neurons;
    }
    return by_count_.front();
  }

  // Takes the neuron out of all its lists. Another neuron moves up in each.
  void Choose(int32_t neuron) {
    const auto n = static_cast<size_t>(neuron);
    is_chosen_[n] = true;
    by_count_[lists_of_[n].size()].erase(neuron);
    for (const int32_t e : lists_of_[n]) Extend(e);
  }

 private:
  // Adds the best neuron that is behind an expert's list and not chosen.
  void Extend(int64_t e) {
    int64_t& next = next_[static_cast<size_t>(e)];
    const auto ranked = ranking_.Row(e);
    while (next < ranking_.cols()) {
      const int32_t neuron = ranked[static_cast<size_t>(next++)];
      const auto n = static_cast<size_t>(neuron);
      if (is_chosen_[n]) continue;
      by_count_[lists_of_[n].size()].erase(neuron);
      lists_of_[n].push_back(static_cast<int32_t>(e));
      by_count_[lists_of_[n].size()].insert(neuron);
      return;
    }
  }

  const base::Matrix<int32_t>& ranking_;
  std::vector<int64_t> next_;  // By expert: the first place behind its list.
  std::vector<std::vector<int32_t>> lists_of_;  // By neuron: its experts.
  std::vector<bool> is_chosen_;
  // Element n: the neurons that are in n lists; empty for n = 0.
  std::vector<std::set<int32_t>> by_count_;
};

// By neuron: the number of rows that have it in their first `list_size`
// columns.
template <typename T>
std::vector<int64_t> CountLists(const base::Matrix<T>& lists, int64_t list_size,
                                int64_t num_neurons) {
  std::vector<int64_t> counts(static_cast<size_t>(num_neurons));
  for (int64_t e = 0; e < lists.rows(); ++e) {
    for (const T neuron : lists.Row(e).first(static_cast<size_t>(list_size))) {
      ++counts[static_cast<size_t>(neuron)];
    }
  }
  return counts;
}

std::vector<int64_t> Histogram(absl::Span<const int64_t> counts,
                               int64_t num_experts) {
  std::vector<int64_t> histogram(static_cast<size_t>(num_experts) + 1);
  for (const int64_t count : counts) ++histogram[static_cast<size_t>(count)];
  return histogram;
}

}  // namespace

base::Matrix<int64_t> PlaceNeurons(const NeuronPreferences& preferences,
                                   int64_t expert_size,
                                   std::vector<bool>& is_taken) {
  const auto num_left = std::count(is_taken.begin(), is_taken.end(), false);
  MOE_CHECK(preferences.scores.rows() * expert_size <= num_left);
  return Placement(preferences, expert_size, is_taken).Run();
}

base::Matrix<int64_t> BestNeurons(const base::Matrix<int32_t>& ranking,
                                  int64_t expert_size,
                                  const std::vector<bool>& is_taken) {
  base::Matrix<int64_t> experts(ranking.rows(), expert_size);
  for (int64_t e = 0; e < ranking.rows(); ++e) {
    const auto row = experts.Row(e);
    auto next = row.begin();
    for (const int32_t neuron : ranking.Row(e)) {
      if (next == row.end()) break;
      if (!is_taken[static_cast<size_t>(neuron)]) *next++ = neuron;
    }
    MOE_CHECK(next == row.end());
  }
  return experts;
}

base::Matrix<int32_t> RankNeurons(const base::Matrix<float>& scores,
                                  SplitCriterion::Value criterion) {
  base::Matrix<int32_t> ranking(scores.rows(), scores.cols());
  for (int64_t e = 0; e < scores.rows(); ++e) {
    const absl::Span<const float> row = scores.Row(e);
    const absl::Span<int32_t> neurons = ranking.Row(e);
    std::iota(neurons.begin(), neurons.end(), 0);
    std::sort(neurons.begin(), neurons.end(), [&](int32_t a, int32_t b) {
      const float of_a = row[static_cast<size_t>(a)];
      const float of_b = row[static_cast<size_t>(b)];
      return of_a == of_b ? a < b : IsBetter(of_a, of_b, criterion);
    });
  }
  return ranking;
}

std::vector<int64_t> ChooseResidualNeurons(const base::Matrix<int32_t>& ranking,
                                           int64_t list_size, int64_t count) {
  MOE_CHECK(list_size >= 1 && count <= ranking.cols());
  Lists lists(ranking, list_size);
  std::vector<int64_t> chosen;
  while (static_cast<int64_t>(chosen.size()) < count) {
    // A round is chosen together: neurons that move up meanwhile count in the
    // next round.
    const std::set<int32_t> round = lists.MostWanted();
    for (const int32_t neuron : round) {
      if (static_cast<int64_t>(chosen.size()) == count) break;
      lists.Choose(neuron);
      chosen.push_back(neuron);
    }
  }
  return chosen;
}

NeuronOverlap OverlapOf(const base::Matrix<int32_t>& ranking,
                        const checkpoint::LayerNeuronIndices& split) {
  const int64_t num_experts = ranking.rows(), size = split.experts.cols();
  const std::vector<int64_t> wanted = CountLists(ranking, size, ranking.cols());
  NeuronOverlap overlap;
  overlap.wanted = Histogram(wanted, num_experts);
  overlap.taken =
      Histogram(CountLists(split.experts, size, ranking.cols()), num_experts);
  if (split.residual.has_value()) {
    std::vector<int64_t> of_residual;
    for (const int64_t neuron : *split.residual) {
      of_residual.push_back(wanted[static_cast<size_t>(neuron)]);
    }
    overlap.residual_wanted = Histogram(of_residual, num_experts);
  }
  return overlap;
}

}  // namespace moe::split
