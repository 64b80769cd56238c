#include "moe/model/layer/attention.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/types/span.h"
#include "moe/base/aligned_buffer.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/gemm.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/rows/attention_rows.h"
#include "moe/kernels/rows/softmax.h"
#include "moe/model/layer/attention_parts.h"

namespace moe::model {
namespace {

using attention::ChunkRows;
using attention::Head;
using attention::kChunk;
using attention::NumChunks;
using attention::SpacedRows;

// Some queries of a head.
struct QueryBlock {
  int64_t head;
  int64_t begin;  // Rows of the sequence.
  int64_t end;
};

// The buffers of a thread, kept from block to block.
struct BlockBuffers {
  base::AlignedBuffer<float> query;
  base::AlignedBuffer<float> scores;
  base::AlignedBuffer<float> out;
  std::vector<double> sum;
  std::vector<float> correction;
};

// A sequence: its rows, and its packed keys and values.
class SequenceForward {
 public:
  SequenceForward(const AttentionInputs& inputs,
                  const AttentionOutputs& outputs, int64_t begin, int64_t end,
                  base::ThreadPool& pool)
      : shape_(inputs.shape),
        num_chunks_(NumChunks(end - begin)),
        query_(inputs.query.Rows(begin, end)),
        out_(outputs.out.Rows(begin, end)),
        score_max_(attention::Cols(outputs.score_max, begin, end)),
        inverse_sum_(attention::Cols(outputs.inverse_sum, begin, end)) {
    Pack(inputs.key.Rows(begin, end), inputs.value.Rows(begin, end), pool);
  }

  void Run(int64_t query_rows, base::ThreadPool& pool) const {
    const int64_t num_blocks = (query_.rows + query_rows - 1) / query_rows;
    const auto run = [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        // Blocks with most keys come first, so that no thread ends with one.
        const int64_t block = num_blocks - 1 - i / shape_.num_heads;
        const int64_t begin = block * query_rows;
        RunBlock({i % shape_.num_heads, begin,
                  std::min(begin + query_rows, query_.rows)},
                 pool);
      }
    };
    const int64_t count = num_blocks * shape_.num_heads;
    // Too few for all threads: they share the products of each block instead.
    if (count < 2 * pool.num_threads()) {
      run(0, count);
    } else {
      pool.ParallelFor(0, count, /*grain=*/1, run);
    }
  }

 private:
  // Element head * num_chunks + chunk is a chunk of a KV head.
  void Pack(base::MatrixView<const float> key,
            base::MatrixView<const float> value, base::ThreadPool& pool) {
    const int64_t count = shape_.num_key_value_heads * num_chunks_;
    keys_.resize(static_cast<size_t>(count));
    values_.resize(static_cast<size_t>(count));
    pool.ParallelFor(0, count, /*grain=*/1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const auto rows = [&](base::MatrixView<const float> x) {
          return ChunkRows(Head(x, i / num_chunks_, shape_.head_dim),
                           i % num_chunks_);
        };
        const auto at = static_cast<size_t>(i);
        keys_[at] = kernels::PackedMatrix::Pack(rows(key), pool);
        values_[at] = kernels::PackedMatrix::PackTransposed(rows(value), pool);
      }
    });
  }

  void RunBlock(const QueryBlock& block, base::ThreadPool& pool) const {
    thread_local BlockBuffers buffers;
    const int64_t rows = block.end - block.begin;
    const int64_t dim = shape_.head_dim;
    const base::MatrixView<float> q = SpacedRows(buffers.query, rows, dim);
    kernels::Scale(Head(query_, block.head, dim).Rows(block.begin, block.end),
                   attention::ScoreScale(shape_), q, pool);
    buffers.sum.assign(static_cast<size_t>(rows), 0.0);
    buffers.correction.resize(static_cast<size_t>(rows));
    const absl::Span<float> max = OfBlock(score_max_, block);
    std::fill(max.begin(), max.end(), -std::numeric_limits<float>::infinity());
    const base::MatrixView<float> out = SpacedRows(buffers.out, rows, dim);
    for (int64_t c = 0; c < NumChunks(block.end); ++c) {
      AddChunk(block, c, q, out, buffers, pool);
    }
    kernels::FinishSoftmax(
        buffers.sum, out, OfBlock(inverse_sum_, block),
        Head(out_, block.head, dim).Rows(block.begin, block.end), pool);
  }

  // Adds the part of a chunk of keys, for the queries that see one of them.
  void AddChunk(const QueryBlock& block, int64_t chunk,
                base::MatrixView<float> q, base::MatrixView<float> out,
                BlockBuffers& buffers, base::ThreadPool& pool) const {
    const int64_t first_key = chunk * kChunk;
    const int64_t num_keys = std::min(block.end - first_key, kChunk);
    const int64_t first_row = std::max<int64_t>(first_key - block.begin, 0);
    const int64_t num_rows = q.rows - first_row;
    const auto seeing = [&](auto& values) {
      return absl::MakeSpan(values).subspan(static_cast<size_t>(first_row));
    };
    const auto packed = static_cast<size_t>(
        block.head / shape_.HeadsPerGroup() * num_chunks_ + chunk);
    const base::MatrixView<float> scores =
        SpacedRows(buffers.scores, num_rows, num_keys);
    const base::MatrixView<float> o = out.Rows(first_row, out.rows);
    const auto correction = seeing(buffers.correction);
    absl::Span<float> max = OfBlock(score_max_, block);
    kernels::GemmPart(q.Rows(first_row, q.rows), {keys_[packed]}, scores,
                      kernels::GemmOutput::kOverwrite, pool);
    kernels::SoftmaxPiece(
        kernels::CausalMask{block.begin + first_row - first_key + 1, num_rows},
        scores, {seeing(max), seeing(buffers.sum)}, correction, pool);
    if (chunk > 0) kernels::ScaleRows(correction, o, pool);
    kernels::GemmPart(
        scores, {values_[packed]}, o,
        chunk > 0 ? kernels::GemmOutput::kAdd : kernels::GemmOutput::kOverwrite,
        pool);
  }

  static absl::Span<float> OfBlock(const base::MatrixView<float>& statistics,
                                   const QueryBlock& block) {
    return statistics.Row(block.head)
        .subspan(static_cast<size_t>(block.begin),
                 static_cast<size_t>(block.end - block.begin));
  }

  const AttentionShape shape_;
  const int64_t num_chunks_;
  const base::MatrixView<const float> query_;
  const base::MatrixView<float> out_;
  const base::MatrixView<float> score_max_;
  const base::MatrixView<float> inverse_sum_;
  std::vector<kernels::PackedMatrix> keys_;    // Outputs are keys.
  std::vector<kernels::PackedMatrix> values_;  // Depth is keys.
};

}  // namespace

void CausalAttention(const AttentionInputs& inputs,
                     const AttentionOutputs& outputs, int64_t query_rows,
                     base::ThreadPool& pool) {
  attention::CheckInputs(inputs);
  attention::CheckForward(inputs, outputs);
  MOE_CHECK(query_rows > 0);
  attention::ForEachSequence(
      inputs.offsets, pool, [&](int64_t begin, int64_t end) {
        SequenceForward(inputs, outputs, begin, end, pool)
            .Run(query_rows, pool);
      });
}

}  // namespace moe::model
