#include "moe/split/neuron_placement.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/split/neuron_ranking.h"
#include "moe/split/split_options.pb.h"

namespace moe {
namespace {

// The best neuron for an expert of those that are left.
struct Candidate {
  int64_t place = 0;  // In the expert's ranking.
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

  Matrix<int64_t> Run() {
    for (int64_t left = experts_.rows() * experts_.cols(); left > 0; --left) {
      Place(Winner());
    }
    return experts_;
  }

 private:
  bool IsFull(int64_t e) const {
    return sizes_[static_cast<size_t>(e)] == experts_.cols();
  }

  // To the expert's best neuron that is left, if there is one.
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
  std::vector<int64_t> sizes_;         // Neurons of each expert so far.
  Matrix<int64_t> experts_;
};

}  // namespace

Matrix<int64_t> PlaceNeurons(const NeuronPreferences& preferences,
                             int64_t expert_size, std::vector<bool>& is_taken) {
  const auto num_left = std::count(is_taken.begin(), is_taken.end(), false);
  MOE_CHECK(preferences.scores.rows() * expert_size <= num_left);
  return Placement(preferences, expert_size, is_taken).Run();
}

Matrix<int64_t> BestNeurons(const Matrix<int32_t>& ranking, int64_t expert_size,
                            const std::vector<bool>& is_taken) {
  Matrix<int64_t> experts(ranking.rows(), expert_size);
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

}  // namespace moe
