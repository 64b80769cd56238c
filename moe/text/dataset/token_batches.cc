#include "moe/text/dataset/token_batches.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/options/options.h"
#include "moe/base/philox.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/text/dataset/dataset_options.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::text {
namespace {

static_assert(std::endian::native == std::endian::little,
              "digests are over little-endian integers, and so is this code");

template <typename T>
void Update(absl::Span<const T> values, base::Sha256& digest) {
  digest.Update(absl::string_view(reinterpret_cast<const char*>(values.data()),
                                  values.size() * sizeof(T)));
}

void Update(int64_t value, base::Sha256& digest) {
  Update(absl::Span<const int64_t>(&value, 1), digest);
}

}  // namespace

TokenBatches::TokenBatches(TokenSequences sequences, int64_t batch_size)
    : sequences_(std::move(sequences)), batch_size_(batch_size) {
  MOE_CHECK(batch_size > 0);
}

int64_t TokenBatches::num_batches() const {
  // Rounded up, without overflow for the largest batch sizes.
  return num_sequences() / batch_size_ +
         (num_sequences() % batch_size_ != 0 ? 1 : 0);
}

TokenBatches::Batch TokenBatches::batch(int64_t b) const {
  MOE_CHECK(b >= 0 && b < num_batches());
  const int64_t begin = b * batch_size_;
  return {begin, begin + std::min(batch_size_, num_sequences() - begin)};
}

std::string TokenBatches::Digest() const {
  base::Sha256 digest;
  Update(num_batches(), digest);
  for (int64_t b = 0; b < num_batches(); ++b) {
    const auto [begin, end] = batch(b);
    Update(end - begin, digest);
    for (int64_t i = begin; i < end; ++i) {
      Update(static_cast<int64_t>(input_ids(i).size()), digest);
      Update(input_ids(i), digest);
      Update(labels(i), digest);
    }
  }
  return digest.HexDigest();
}

std::vector<int64_t> DrawSequences(int64_t num_sequences,
                                   const BatchOptions& options) {
  std::vector<int64_t> order(static_cast<size_t>(num_sequences));
  std::iota(order.begin(), order.end(), 0);
  if (!options.no_shuffle()) {
    base::RandomStream stream(static_cast<uint64_t>(options.seed()),
                              "dataset/shuffle");
    base::Shuffle(stream, absl::MakeSpan(order));
  }
  order.resize(
      static_cast<size_t>(std::min(num_sequences, MaxSequences(options))));
  return order;
}

absl::StatusOr<TokenBatches> MakeBatches(TokenSequences sequences,
                                         const BatchOptions& options) {
  MOE_RETURN_IF_ERROR(base::CheckOptions(options));
  if (options.no_shuffle() &&
      sequences.num_sequences() <= MaxSequences(options)) {
    return TokenBatches(std::move(sequences), options.batch_size());
  }
  TokenSequences drawn;
  for (const int64_t i : DrawSequences(sequences.num_sequences(), options)) {
    drawn.Append(sequences.input_ids(i), sequences.labels(i));
  }
  return TokenBatches(std::move(drawn), options.batch_size());
}

}  // namespace moe::text
