#include "moe/gates/kmeans_seeding.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/philox.h"
#include "moe/base/status_macros.h"
#include "moe/gates/kmeans_points.h"
#include "moe/kernels/sums/centroid_sums.h"
#include "moe/kernels/sums/feature_sums.h"

namespace moe::gates {
namespace {

// 2 + ln E, rounded down, as in scikit-learn.
int64_t NumCandidates(int64_t num_experts) {
  constexpr double kE = 2.718281828459045;
  int64_t count = 2;
  for (double power = kE; power <= static_cast<double>(num_experts);
       power *= kE) {
    ++count;
  }
  return count;
}

class Seeding {
 public:
  Seeding(KmeansPoints& points, int64_t num_experts,
          absl::Span<base::RandomStream> streams)
      : points_(points),
        num_restarts_(static_cast<int64_t>(streams.size())),
        streams_(streams),
        nearest_(streams.size(),
                 std::vector<float>(static_cast<size_t>(points.num_points()),
                                    std::numeric_limits<float>::max())) {
    for (size_t r = 0; r < streams.size(); ++r) {
      centroids_.emplace_back(num_experts, points.num_features());
    }
  }

  // Adds centre `e` of every restart.
  absl::Status AddCentre(int64_t e, int64_t num_candidates) {
    MOE_RETURN_IF_ERROR(DrawCandidates(e, num_candidates));
    std::vector<base::Matrix<float>> distances;
    std::vector<base::MatrixView<float>> views;
    distances.reserve(static_cast<size_t>(num_restarts_));
    views.reserve(static_cast<size_t>(num_restarts_));
    for (int64_t r = 0; r < num_restarts_; ++r) {
      distances.emplace_back(points_.num_points(), num_candidates);
    }
    for (base::Matrix<float>& matrix : distances)
      views.push_back(matrix.view());
    MOE_RETURN_IF_ERROR(points_.Distances(candidates_.view(), views));
    return ForEachRestart([&](int64_t r) {
      return TakeBest(r, e, views[static_cast<size_t>(r)]);
    });
  }

  std::vector<base::Matrix<float>> TakeCentroids() {
    return std::move(centroids_);
  }

 private:
  template <typename Body>
  absl::Status ForEachRestart(const Body& body) {
    std::vector<absl::Status> statuses(streams_.size());
    points_.pool().ParallelFor(0, num_restarts_, /*grain=*/1,
                               [&](int64_t begin, int64_t end) {
                                 for (int64_t r = begin; r < end; ++r) {
                                   statuses[static_cast<size_t>(r)] = body(r);
                                 }
                               });
    for (const absl::Status& status : statuses) MOE_RETURN_IF_ERROR(status);
    return absl::OkStatus();
  }

  // Rows [r count, (r + 1) count) of candidates_ belong to restart r.
  absl::Status DrawCandidates(int64_t e, int64_t count) {
    std::vector<std::vector<int64_t>> drawn(streams_.size());
    MOE_RETURN_IF_ERROR(ForEachRestart([&](int64_t r) {
      const auto at = static_cast<size_t>(r);
      drawn[at] = e == 0 ? std::vector<int64_t>{static_cast<int64_t>(
                               streams_[at].UniformInt(static_cast<uint64_t>(
                                   points_.num_points())))}
                         : DrawByWeight(nearest_[at], count, streams_[at]);
      return absl::OkStatus();
    }));
    candidates_ =
        base::Matrix<float>(num_restarts_ * count, points_.num_features());
    int64_t row = 0;
    for (const std::vector<int64_t>& indices : drawn) {
      for (const int64_t index : indices) {
        MOE_RETURN_IF_ERROR(
            points_.CopyPoint(index, candidates_.view().Row(row++)));
      }
    }
    return absl::OkStatus();
  }

  // `distances` [num_points, num_candidates] are those to the candidates of
  // restart r.
  absl::Status TakeBest(int64_t r, int64_t e,
                        base::MatrixView<float> distances) {
    std::vector<float>& nearest = nearest_[static_cast<size_t>(r)];
    for (int64_t t = 0; t < distances.rows; ++t) {
      for (float& distance : distances.Row(t)) {
        // Rounding can take a cosine beyond 1.
        distance = std::clamp(distance, 0.0f, nearest[static_cast<size_t>(t)]);
      }
    }
    kernels::FeatureSums::Options options;
    options.num_features = distances.cols;
    options.fraction_bits = kernels::kCentroidFractionBits;
    kernels::FeatureSums sums(options);
    MOE_RETURN_IF_ERROR(sums.Add(0, distances, points_.pool()));
    MOE_RETURN_IF_ERROR(sums.Finish());
    const std::vector<double> totals = sums.Sums();
    const int64_t best =
        std::min_element(totals.begin(), totals.end()) - totals.begin();
    for (int64_t t = 0; t < distances.rows; ++t) {
      nearest[static_cast<size_t>(t)] = distances.RowData(t)[best];
    }
    const auto chosen = candidates_.view().Row(r * distances.cols + best);
    std::copy(chosen.begin(), chosen.end(),
              centroids_[static_cast<size_t>(r)].view().RowData(e));
    return absl::OkStatus();
  }

  KmeansPoints& points_;
  const int64_t num_restarts_;
  absl::Span<base::RandomStream> streams_;
  // For each restart, each point's distance to the nearest centre.
  std::vector<std::vector<float>> nearest_;
  std::vector<base::Matrix<float>> centroids_;
  base::Matrix<float> candidates_;
};

}  // namespace

absl::StatusOr<std::vector<base::Matrix<float>>> SeedCentroids(
    KmeansPoints& points, int64_t num_experts,
    absl::Span<base::RandomStream> streams,
    const std::function<void(absl::string_view)>& set_detail) {
  Seeding seeding(points, num_experts, streams);
  for (int64_t e = 0; e < num_experts; ++e) {
    if (set_detail != nullptr) {
      set_detail(absl::StrCat("centre ", e + 1, " of ", num_experts));
    }
    MOE_RETURN_IF_ERROR(
        seeding.AddCentre(e, e == 0 ? 1 : NumCandidates(num_experts)));
  }
  return seeding.TakeCentroids();
}

std::vector<int64_t> DrawByWeight(absl::Span<const float> weights,
                                  int64_t count, base::RandomStream& stream) {
  MOE_CHECK(!weights.empty());
  const float largest = *std::max_element(weights.begin(), weights.end());
  MOE_CHECK(std::isfinite(largest) && largest >= 0.0f);
  std::vector<int64_t> drawn(static_cast<size_t>(count), -1);
  if (largest == 0.0f) {
    for (int64_t& index : drawn) {
      index = static_cast<int64_t>(stream.UniformInt(weights.size()));
    }
    return drawn;
  }
  int exponent = 0;
  std::frexp(largest, &exponent);  // largest < 2^exponent.
  const int bits = 62 - std::bit_width(weights.size() - 1);
  const double scale = std::ldexp(1.0, bits - exponent);
  const auto whole = [&](float weight) {
    return static_cast<uint64_t>(
        std::llrint(static_cast<double>(weight) * scale));
  };
  uint64_t total = 0;
  for (const float weight : weights) total += whole(weight);
  std::vector<uint64_t> places;
  for (int64_t i = 0; i < count; ++i)
    places.push_back(stream.UniformInt(total));
  uint64_t before = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const uint64_t weight = whole(weights[i]);
    for (size_t k = 0; k < places.size(); ++k) {
      // 0 <= places[k] - before < weight.
      if (places[k] - before < weight && places[k] >= before) {
        drawn[k] = static_cast<int64_t>(i);
      }
    }
    before += weight;
  }
  return drawn;
}

}  // namespace moe::gates
