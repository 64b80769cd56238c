#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "moe/base/aligned_buffer.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/gemm.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/rows/attention_rows.h"
#include "moe/kernels/rows/elementwise.h"
#include "moe/model/layer/attention.h"
#include "moe/model/layer/attention_parts.h"

namespace moe::model {
namespace {

using attention::ChunkRows;
using attention::Cols;
using attention::Head;
using attention::kChunk;
using attention::NumChunks;
using attention::SpacedRows;

// The keys whose scores are in memory at once. Their rows and the operands stay
// in a second-level cache of 1 MiB. On the diagonal, queries that see none of
// them are left out.
constexpr int64_t kKeyRows = 64;
static_assert(kChunk % kKeyRows == 0 &&
              kKeyRows % kernels::PackedMatrix::kPanelCols == 0);

// A chunk of queries of a head, u and d_out: as operands whose outputs are the
// queries, and as operands whose depth is the queries.
struct QueryChunk {
  int64_t head;
  int64_t chunk;
  int64_t num_queries;
  kernels::PackedMatrix query_outputs;
  kernels::PackedMatrix d_out_outputs;
  kernels::PackedMatrix query_depth;
  kernels::PackedMatrix d_out_depth;
  kernels::SoftmaxColumns columns;
};

// The gradients of a head: of its queries, and of its own keys and values, in
// rows of the sequence.
struct HeadGradients {
  base::MatrixView<float> query;
  base::MatrixView<float> key;
  base::MatrixView<float> value;
};

// Where a chunk of keys adds to the transposed gradient of a chunk of queries.
struct QueryGradientPart {
  base::MatrixView<float> transposed;  // [head_dim, num_queries]
  kernels::GemmOutput output;
};

// out[i, r] = x[r, i] * scale.
void TransposeScaled(base::MatrixView<const float> x, float scale,
                     base::MatrixView<float> out) {
  constexpr int64_t kSquare = 16;
  for (int64_t c0 = 0; c0 < x.cols; c0 += kSquare) {
    const int64_t c1 = std::min(c0 + kSquare, x.cols);
    for (int64_t r0 = 0; r0 < x.rows; r0 += kSquare) {
      const int64_t r1 = std::min(r0 + kSquare, x.rows);
      for (int64_t c = c0; c < c1; ++c) {
        for (int64_t r = r0; r < r1; ++r) {
          out.RowData(c)[r] = x.RowData(r)[c] * scale;
        }
      }
    }
  }
}

class SequenceBackward {
 public:
  SequenceBackward(const AttentionInputs& inputs,
                   const AttentionForward& forward,
                   base::MatrixView<const float> d_out, int64_t begin,
                   int64_t end)
      : shape_(inputs.shape),
        num_tokens_(end - begin),
        scale_(attention::ScoreScale(inputs.shape)),
        query_(inputs.query.Rows(begin, end)),
        key_(inputs.key.Rows(begin, end)),
        value_(inputs.value.Rows(begin, end)),
        out_(forward.out.Rows(begin, end)),
        score_max_(Cols(forward.score_max, begin, end)),
        inverse_sum_(Cols(forward.inverse_sum, begin, end)),
        d_out_(d_out.Rows(begin, end)),
        dots_(shape_.num_heads, num_tokens_) {}

  // `gradients` have the sequence's rows.
  void Run(const AttentionGradients& gradients, base::ThreadPool& pool) {
    TransposeKeys(pool);
    // [num_heads * num_tokens, head_dim]
    base::Matrix<float> d_keys(shape_.num_heads * num_tokens_, shape_.head_dim);
    base::Matrix<float> d_values(shape_.num_heads * num_tokens_,
                                 shape_.head_dim);
    const auto run_head = [&](int64_t head, bool share) {
      const int64_t first = head * num_tokens_;
      const int64_t last = first + num_tokens_;
      RunHead(
          head,
          {Head(gradients.query, head, shape_.head_dim),
           d_keys.view().Rows(first, last), d_values.view().Rows(first, last)},
          share, pool);
    };
    // Each thread takes the same number of whole heads; the threads share the
    // rest.
    const int64_t num_own =
        shape_.num_heads / pool.num_threads() * pool.num_threads();
    pool.ParallelFor(0, num_own, /*grain=*/1, [&](int64_t first, int64_t last) {
      for (int64_t h = first; h < last; ++h) run_head(h, /*share=*/false);
    });
    for (int64_t h = num_own; h < shape_.num_heads; ++h) {
      run_head(h, /*share=*/true);
    }
    AddHeads(d_keys.view(), gradients.key, pool);
    AddHeads(d_values.view(), gradients.value, pool);
  }

 private:
  // The keys of chunk `chunk` of a KV head, transposed.
  base::MatrixView<float> TransposedKeys(int64_t kv_head, int64_t chunk) {
    const int64_t first =
        (kv_head * NumChunks(num_tokens_) + chunk) * shape_.head_dim;
    return base::MatrixView<float>(
        transposed_keys_.data() + first * kernels::kGemmRowStride,
        shape_.head_dim, std::min(kChunk, num_tokens_ - chunk * kChunk),
        kernels::kGemmRowStride);
  }

  void TransposeKeys(base::ThreadPool& pool) {
    const int64_t num_chunks = NumChunks(num_tokens_);
    const int64_t count = shape_.num_key_value_heads * num_chunks;
    transposed_keys_.Reserve(count * shape_.head_dim * kernels::kGemmRowStride);
    pool.ParallelFor(0, count, /*grain=*/1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const int64_t kv_head = i / num_chunks, chunk = i % num_chunks;
        TransposeScaled(ChunkRows(Head(key_, kv_head, shape_.head_dim), chunk),
                        1.0f, TransposedKeys(kv_head, chunk));
      }
    });
  }

  // With `share`, the threads share the chunks of keys that a chunk of queries
  // sees. The parts of the queries' gradient are added afterwards, in the same
  // order.
  void RunHead(int64_t head, const HeadGradients& gradients, bool share,
               base::ThreadPool& pool) {
    thread_local QueryChunk thread_queries;
    thread_local base::AlignedBuffer<float> buffer;
    // The reference lets other threads use the object of this one.
    QueryChunk& queries = thread_queries;
    const int64_t dim = shape_.head_dim;
    kernels::DotRows(Head(d_out_, head, dim), Head(out_, head, dim),
                     dots_.view().Row(head), pool);
    for (int64_t c = 0; c < NumChunks(num_tokens_); ++c) {
      PrepareQueries(head, c, queries, pool);
      const int64_t num_parts = share ? c + 1 : 1;
      const base::MatrixView<float> all =
          SpacedRows(buffer, num_parts * dim, queries.num_queries);
      const auto run = [&](int64_t first, int64_t last) {
        for (int64_t k = first; k < last; ++k) {
          const int64_t part = share ? k : 0;
          const bool is_first = share || k == 0;
          RunKeys(queries, k,
                  {all.Rows(part * dim, (part + 1) * dim),
                   is_first ? kernels::GemmOutput::kOverwrite
                            : kernels::GemmOutput::kAdd},
                  gradients, pool);
        }
      };
      if (share) {
        pool.ParallelFor(0, c + 1, /*grain=*/1, run);
      } else {
        run(0, c + 1);
      }
      const base::MatrixView<float> sum = all.Rows(0, dim);
      for (int64_t part = 1; part < num_parts; ++part) {
        kernels::ResidualAdd(sum, all.Rows(part * dim, (part + 1) * dim), sum,
                             pool);
      }
      TransposeScaled(sum, scale_, ChunkRows(gradients.query, c));
    }
  }

  void PrepareQueries(int64_t head, int64_t chunk, QueryChunk& out,
                      base::ThreadPool& pool) const {
    thread_local base::AlignedBuffer<float> buffer;
    const base::MatrixView<const float> query =
        ChunkRows(Head(query_, head, shape_.head_dim), chunk);
    const base::MatrixView<const float> d_out =
        ChunkRows(Head(d_out_, head, shape_.head_dim), chunk);
    const base::MatrixView<float> scaled =
        SpacedRows(buffer, query.rows, query.cols);
    kernels::Scale(query, scale_, scaled, pool);
    out.head = head;
    out.chunk = chunk;
    out.num_queries = query.rows;
    const base::MatrixView<const float> u = scaled;
    out.query_outputs.Repack(u, pool);
    out.query_depth.RepackTransposed(u, pool);
    out.d_out_outputs.Repack(d_out, pool);
    out.d_out_depth.RepackTransposed(d_out, pool);
    const auto columns = [&](base::MatrixView<const float> statistics) {
      return statistics.Row(head).subspan(static_cast<size_t>(chunk * kChunk),
                                          static_cast<size_t>(query.rows));
    };
    out.columns = {columns(score_max_), columns(inverse_sum_),
                   columns(dots_.view())};
  }

  // Adds the part of a chunk of keys.
  void RunKeys(const QueryChunk& queries, int64_t key_chunk,
               const QueryGradientPart& d_query, const HeadGradients& gradients,
               base::ThreadPool& pool) {
    thread_local base::AlignedBuffer<float> buffer;
    thread_local kernels::PackedMatrix packed;
    const int64_t begin = key_chunk * kChunk;
    const int64_t end = std::min(begin + kChunk, num_tokens_);
    const base::MatrixView<float> d_scores =
        SpacedRows(buffer, end - begin, queries.num_queries);
    for (int64_t k = begin; k < end; k += kKeyRows) {
      const int64_t k_end = std::min(k + kKeyRows, end);
      RunKeyRows(queries, k, d_scores.Rows(k - begin, k_end - begin), gradients,
                 pool);
    }
    packed.RepackTransposed(base::MatrixView<const float>(d_scores), pool);
    const int64_t kv_head = queries.head / shape_.HeadsPerGroup();
    kernels::GemmPart(TransposedKeys(kv_head, key_chunk), {packed},
                      d_query.transposed, d_query.output, pool);
  }

  // Adds the part of the keys from `first_key` on: one for each row of
  // d_scores.
  void RunKeyRows(const QueryChunk& queries, int64_t first_key,
                  base::MatrixView<float> d_scores,
                  const HeadGradients& gradients,
                  base::ThreadPool& pool) const {
    thread_local base::AlignedBuffer<float> buffer;
    const int64_t begin = first_key, end = first_key + d_scores.rows;
    const int64_t kv_head = queries.head / shape_.HeadsPerGroup();
    const bool is_diagonal = begin / kChunk == queries.chunk;
    // Earlier queries see none of these keys.
    const int64_t first_query = is_diagonal ? begin % kChunk : 0;
    for (int64_t r = 0; r < d_scores.rows; ++r) {
      std::fill_n(d_scores.RowData(r), first_query, 0.0f);
    }
    const base::MatrixView<float> ds =
        Cols(d_scores, first_query, queries.num_queries);
    const base::MatrixView<float> p = SpacedRows(buffer, ds.rows, ds.cols);
    const int64_t dim = shape_.head_dim;
    kernels::GemmPart(Head(key_, kv_head, dim).Rows(begin, end),
                      {queries.query_outputs, first_query}, p,
                      kernels::GemmOutput::kOverwrite, pool);
    kernels::GemmPart(Head(value_, kv_head, dim).Rows(begin, end),
                      {queries.d_out_outputs, first_query}, ds,
                      kernels::GemmOutput::kOverwrite, pool);
    const auto from = [&](absl::Span<const float> x) {
      return x.subspan(static_cast<size_t>(first_query));
    };
    const kernels::SoftmaxColumns columns = {from(queries.columns.max),
                                             from(queries.columns.inverse),
                                             from(queries.columns.dot)};
    kernels::SoftmaxColumnsBackward(columns, is_diagonal ? 0 : -ds.rows, p, ds,
                                    pool);
    const kernels::GemmOutput output = is_diagonal
                                           ? kernels::GemmOutput::kOverwrite
                                           : kernels::GemmOutput::kAdd;
    kernels::GemmPart(p, {queries.d_out_depth, 0, first_query},
                      gradients.value.Rows(begin, end), output, pool);
    kernels::GemmPart(ds, {queries.query_depth, 0, first_query},
                      gradients.key.Rows(begin, end), output, pool);
  }

  // Adds the heads of each group, in ascending order.
  void AddHeads(base::MatrixView<const float> of_heads,
                base::MatrixView<float> of_groups,
                base::ThreadPool& pool) const {
    for (int64_t head = 0; head < shape_.num_heads; ++head) {
      const base::MatrixView<const float> own =
          of_heads.Rows(head * num_tokens_, (head + 1) * num_tokens_);
      const base::MatrixView<float> sum =
          Head(of_groups, head / shape_.HeadsPerGroup(), shape_.head_dim);
      if (head % shape_.HeadsPerGroup() == 0) {
        kernels::Scale(own, 1.0f, sum, pool);
      } else {
        kernels::ResidualAdd(sum, own, sum, pool);
      }
    }
  }

  const AttentionShape shape_;
  const int64_t num_tokens_;
  const float scale_;
  const base::MatrixView<const float> query_;
  const base::MatrixView<const float> key_;
  const base::MatrixView<const float> value_;
  const base::MatrixView<const float> out_;
  const base::MatrixView<const float> score_max_;
  const base::MatrixView<const float> inverse_sum_;
  const base::MatrixView<const float> d_out_;
  base::Matrix<float> dots_;  // d_out . out: [num_heads, num_tokens]
  base::AlignedBuffer<float> transposed_keys_;
};

}  // namespace

void CausalAttentionBackward(const AttentionInputs& inputs,
                             const AttentionForward& forward,
                             base::MatrixView<const float> d_out,
                             const AttentionGradients& gradients,
                             base::ThreadPool& pool) {
  attention::CheckInputs(inputs);
  attention::CheckForward(inputs, forward);
  MOE_CHECK(base::SameShape(inputs.query, d_out) &&
            base::SameShape(inputs.query, gradients.query) &&
            base::SameShape(inputs.key, gradients.key) &&
            base::SameShape(inputs.value, gradients.value));
  attention::ForEachSequence(
      inputs.offsets, pool, [&](int64_t begin, int64_t end) {
        SequenceBackward(inputs, forward, d_out, begin, end)
            .Run({gradients.query.Rows(begin, end),
                  gradients.key.Rows(begin, end),
                  gradients.value.Rows(begin, end)},
                 pool);
      });
}

}  // namespace moe::model
