#include "moe/split/neuron_ranking.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>

#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/split/split_options.pb.h"

namespace moe {

Matrix<int32_t> RankNeurons(const Matrix<float>& scores,
                            SplitCriterion::Value criterion) {
  Matrix<int32_t> ranking(scores.rows(), scores.cols());
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

}  // namespace moe
