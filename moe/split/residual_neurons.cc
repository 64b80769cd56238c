#include "moe/split/residual_neurons.h"

#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

#include "moe/base/check.h"
#include "moe/base/matrix.h"

namespace moe {
namespace {

// The experts' lists, out of which neurons are chosen.
class Lists {
 public:
  Lists(const Matrix<int32_t>& ranking, int64_t list_size)
      : ranking_(ranking),
        next_(static_cast<size_t>(ranking.rows())),
        lists_of_(static_cast<size_t>(ranking.cols())),
        is_chosen_(static_cast<size_t>(ranking.cols())),
        by_count_(static_cast<size_t>(ranking.rows()) + 1) {
    for (int64_t e = 0; e < ranking.rows(); ++e) {
      for (int64_t i = 0; i < list_size; ++i) Extend(e);
    }
  }

  // Those in the most lists, ascending.
  const std::set<int32_t>& MostWanted() const {
    for (auto neurons = by_count_.rbegin(); neurons != by_count_.rend();
         ++neurons) {
      if (!neurons->empty()) return *neurons;
    }
    return by_count_.front();
  }

  // Out of all lists with it, into each of which another neuron moves up.
  void Choose(int32_t neuron) {
    const auto n = static_cast<size_t>(neuron);
    is_chosen_[n] = true;
    by_count_[lists_of_[n].size()].erase(neuron);
    for (const int32_t e : lists_of_[n]) Extend(e);
  }

 private:
  // Adds to an expert's list the best neuron that is behind it and not chosen.
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

  const Matrix<int32_t>& ranking_;
  std::vector<int64_t> next_;  // By expert: the first place behind its list.
  std::vector<std::vector<int32_t>> lists_of_;  // By neuron: experts.
  std::vector<bool> is_chosen_;
  // By the number of lists: neurons that stand in so many; none at 0.
  std::vector<std::set<int32_t>> by_count_;
};

}  // namespace

std::vector<int64_t> ChooseResidualNeurons(const Matrix<int32_t>& ranking,
                                           int64_t list_size, int64_t count) {
  MOE_CHECK(list_size >= 1 && count <= ranking.cols());
  Lists lists(ranking, list_size);
  std::vector<int64_t> chosen;
  while (static_cast<int64_t>(chosen.size()) < count) {
    // A round's are chosen together: what moves up while they leave counts in
    // the next round.
    const std::set<int32_t> round = lists.MostWanted();
    for (const int32_t neuron : round) {
      if (static_cast<int64_t>(chosen.size()) == count) break;
      lists.Choose(neuron);
      chosen.push_back(neuron);
    }
  }
  return chosen;
}

}  // namespace moe
