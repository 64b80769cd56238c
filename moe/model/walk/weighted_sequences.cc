#include "moe/model/walk/weighted_sequences.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <tuple>
#include <vector>

#include "absl/types/span.h"
#include "moe/text/dataset/token_batches.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::model {
namespace {

void Append(const WeightedSequences& all, int64_t s, WeightedSequences& out) {
  out.sequences.Append(all.sequences.input_ids(s), all.sequences.labels(s));
  out.weights.push_back(all.weights[static_cast<size_t>(s)]);
}

std::vector<float> EqualWeights(const text::TokenSequences& sequences) {
  return std::vector<float>(static_cast<size_t>(sequences.num_sequences()),
                            1.0f);
}

}  // namespace

WeightedSequences WeighByBatch(const text::TokenBatches& batches) {
  WeightedSequences all{batches.sequences(), {}};
  for (int64_t b = 0; b < batches.num_batches(); ++b) {
    const text::TokenBatches::Batch batch = batches.batch(b);
    int64_t num_labels = 0;
    for (int64_t s = batch.begin; s < batch.end; ++s) {
      num_labels += text::NumPredictedTokens(batches.labels(s));
    }
    all.weights.resize(
        static_cast<size_t>(batch.end),
        num_labels == 0 ? 0.0f : 1.0f / static_cast<float>(num_labels));
  }
  return all;
}

WeightedSequences InCanonicalOrder(const WeightedSequences& all) {
  const text::TokenSequences& sequences = all.sequences;
  std::vector<int64_t> order(all.weights.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto key = [&](int64_t s) {
    return std::make_tuple(sequences.input_ids(s), sequences.labels(s),
                           all.weights[static_cast<size_t>(s)]);
  };
  std::sort(order.begin(), order.end(),
            [&](int64_t a, int64_t b) { return key(a) < key(b); });
  WeightedSequences ordered;
  for (const int64_t s : order) Append(all, s, ordered);
  return ordered;
}

WeightedSequences SubRange(const WeightedSequences& all, int64_t begin,
                           int64_t end) {
  WeightedSequences part;
  for (int64_t s = begin; s < end; ++s) Append(all, s, part);
  return part;
}

text::TokenSequences InCanonicalOrder(const text::TokenSequences& all) {
  return InCanonicalOrder(WeightedSequences{all, EqualWeights(all)}).sequences;
}

text::TokenSequences SubRange(const text::TokenSequences& all, int64_t begin,
                              int64_t end) {
  return SubRange(WeightedSequences{all, EqualWeights(all)}, begin, end)
      .sequences;
}

}  // namespace moe::model
