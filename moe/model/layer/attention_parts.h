// What the forward and the backward of attention share. Only for these two
// files.

#ifndef MOE_MODEL_LAYER_ATTENTION_PARTS_H_
#define MOE_MODEL_LAYER_ATTENTION_PARTS_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "moe/base/aligned_buffer.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/gemm.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/model/layer/attention.h"

namespace moe::model::attention {

// The size of a chunk of keys, and in the backward of queries: the chains of a
// product are cut at its multiples.
inline constexpr int64_t kChunk = kernels::PackedMatrix::kDepthBlock;

inline int64_t NumChunks(int64_t num_tokens) {
  return (num_tokens + kChunk - 1) / kChunk;
}

// Columns [begin, end).
template <typename T>
base::MatrixView<T> Cols(const base::MatrixView<T>& x, int64_t begin,
                         int64_t end) {
  return base::MatrixView<T>(x.data + begin, x.rows, end - begin, x.stride);
}

// The columns of one head.
template <typename T>
base::MatrixView<T> Head(const base::MatrixView<T>& x, int64_t head,
                         int64_t head_dim) {
  return Cols(x, head * head_dim, (head + 1) * head_dim);
}

// The rows of chunk `chunk`.
template <typename T>
base::MatrixView<T> ChunkRows(const base::MatrixView<T>& x, int64_t chunk) {
  return x.Rows(chunk * kChunk, std::min((chunk + 1) * kChunk, x.rows));
}

inline float ScoreScale(const AttentionShape& shape) {
  return 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
}

// A matrix with rows kGemmRowStride apart, which a product reads in place.
inline base::MatrixView<float> SpacedRows(base::AlignedBuffer<float>& buffer,
                                          int64_t rows, int64_t cols) {
  const int64_t stride = cols <= kChunk ? kernels::kGemmRowStride : cols;
  return base::MatrixView<float>(buffer.Reserve(rows * stride), rows, cols,
                                 stride);
}

inline void CheckInputs(const AttentionInputs& in) {
  const AttentionShape& shape = in.shape;
  MOE_CHECK(shape.num_key_value_heads > 0 && shape.head_dim > 0 &&
            shape.num_heads > 0 &&
            shape.num_heads % shape.num_key_value_heads == 0);
  MOE_CHECK(in.query.cols == shape.QuerySize() &&
            in.key.cols == shape.KeyValueSize() &&
            base::SameShape(in.key, in.value) && in.key.rows == in.query.rows);
  MOE_CHECK(!in.offsets.empty() && in.offsets.front() == 0 &&
            in.offsets.back() == in.query.rows &&
            std::is_sorted(in.offsets.begin(), in.offsets.end()));
}

inline void CheckForward(const AttentionInputs& in,
                         const AttentionForward& forward) {
  MOE_CHECK(base::SameShape(in.query, forward.out) &&
            forward.score_max.rows == in.shape.num_heads &&
            forward.score_max.cols == in.query.rows &&
            base::SameShape(forward.score_max, forward.inverse_sum));
}

// Calls body(begin, end) with the rows of each sequence, in parallel if there
// are many sequences.
template <typename Body>
void ForEachSequence(absl::Span<const int64_t> offsets, base::ThreadPool& pool,
                     const Body& body) {
  const auto num_sequences = static_cast<int64_t>(offsets.size()) - 1;
  const auto run = [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const auto at = static_cast<size_t>(i);
      if (offsets[at] < offsets[at + 1]) body(offsets[at], offsets[at + 1]);
    }
  };
  if (num_sequences < 4 * pool.num_threads()) {
    run(0, num_sequences);
  } else {
    pool.ParallelFor(0, num_sequences, /*grain=*/1, run);
  }
}

}  // namespace moe::model::attention

#endif  // MOE_MODEL_LAYER_ATTENTION_PARTS_H_
