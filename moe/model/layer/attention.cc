#include "moe/model/layer/attention.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/gemm.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/kernels/rows/elementwise.h"
#include "moe/kernels/rows/softmax.h"
#include "moe/kernels/simd/aligned_buffer.h"
#include "moe/kernels/simd/matrix_view.h"
#include "moe/model/layer/float_matrix.h"

namespace moe {
namespace {

// Of keys, and backward of queries: what a product's chains are cut at.
constexpr int64_t kChunk = PackedMatrix::kDepthBlock;

int64_t NumChunks(int64_t num_tokens) {
  return (num_tokens + kChunk - 1) / kChunk;
}

// The columns of one head.
template <typename T>
MatrixView<T> Head(const MatrixView<T>& x, int64_t head, int64_t head_dim) {
  return MatrixView<T>(x.data + head * head_dim, x.rows, head_dim, x.stride);
}

template <typename T>
MatrixView<T> Cols(const MatrixView<T>& x, int64_t begin, int64_t end) {
  return MatrixView<T>(x.data + begin, x.rows, end - begin, x.stride);
}

// The rows of chunk `chunk`.
template <typename T>
MatrixView<T> ChunkRows(const MatrixView<T>& x, int64_t chunk) {
  return x.Rows(chunk * kChunk, std::min((chunk + 1) * kChunk, x.rows));
}

// The columns of chunk `chunk`.
template <typename T>
MatrixView<T> ChunkCols(const MatrixView<T>& x, int64_t chunk) {
  return Cols(x, chunk * kChunk, std::min((chunk + 1) * kChunk, x.cols));
}

void Clear(MatrixView<float> x) {
  for (int64_t r = 0; r < x.rows; ++r) {
    std::fill_n(x.RowData(r), x.cols, 0.0f);
  }
}

float Scale(const AttentionShape& shape) {
  return 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
}

// A matrix of this thread, kept from call to call. `kUse` tells matrices apart
// that are in use at once.
template <int kUse>
MatrixView<float> Scratch(int64_t rows, int64_t cols) {
  thread_local AlignedBuffer buffer;
  return MatrixView<float>(buffer.Reserve(rows * cols), rows, cols);
}

enum ScratchUse { kProbabilities, kGradients, kTransposed, kProduct };

// Chunks of the rows of every KV head, packed: element head * num_chunks +
// chunk.
using PackedChunks = std::vector<PackedMatrix>;

PackedChunks PackChunks(const AttentionShape& shape, MatrixView<const float> x,
                        OperandLayout layout, ThreadPool& pool) {
  const int64_t num_chunks = NumChunks(x.rows);
  const int64_t num_packs = shape.num_key_value_heads * num_chunks;
  PackedChunks packed(static_cast<size_t>(num_packs));
  pool.ParallelFor(0, num_packs, /*grain=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const MatrixView<const float> rows =
          ChunkRows(Head(x, i / num_chunks, shape.head_dim), i % num_chunks);
      packed[static_cast<size_t>(i)] =
          layout == OperandLayout::kOutputsByDepth
              ? PackedMatrix::Pack(rows, pool)
              : PackedMatrix::PackTransposed(rows, pool);
    }
  });
  return packed;
}

// c += a b, the product by itself and then one addition.
void AddProduct(MatrixView<const float> a, const PackedMatrix& b,
                MatrixView<float> c, ThreadPool& pool) {
  const MatrixView<float> product = Scratch<kProduct>(c.rows, c.cols);
  Gemm(a, b, product, pool);
  ResidualAdd(c, product, c, pool);
}

// out[c, r] = x[r, c], in squares that stay in the first-level cache.
void Transpose(MatrixView<const float> x, MatrixView<float> out) {
  constexpr int64_t kSquare = 16;
  for (int64_t r0 = 0; r0 < x.rows; r0 += kSquare) {
    const int64_t r1 = std::min(r0 + kSquare, x.rows);
    for (int64_t c0 = 0; c0 < x.cols; c0 += kSquare) {
      const int64_t c1 = std::min(c0 + kSquare, x.cols);
      for (int64_t c = c0; c < c1; ++c) {
        for (int64_t r = r0; r < r1; ++r) {
          out.RowData(c)[r] = x.RowData(r)[c];
        }
      }
    }
  }
}

// One sequence: its rows, and its keys and values packed.
class SequenceAttention {
 public:
  SequenceAttention(const AttentionInputs& inputs, int64_t begin, int64_t end,
                    ThreadPool& pool)
      : shape_(inputs.shape),
        scale_(Scale(inputs.shape)),
        num_chunks_(NumChunks(end - begin)),
        query_(inputs.query.Rows(begin, end)),
        key_(inputs.key.Rows(begin, end)),
        value_(inputs.value.Rows(begin, end)),
        keys_by_depth_(
            PackChunks(shape_, key_, OperandLayout::kOutputsByDepth, pool)) {}

  void Forward(int64_t query_rows, MatrixView<float> out,
               ThreadPool& pool) const {
    const PackedChunks values =
        PackChunks(shape_, value_, OperandLayout::kDepthByOutputs, pool);
    const int64_t num_blocks = (query_.rows + query_rows - 1) / query_rows;
    ForEach(num_blocks * shape_.num_heads, pool, [&](int64_t task) {
      // The blocks with most keys first, so that no thread ends with one.
      const int64_t block = num_blocks - 1 - task / shape_.num_heads;
      const int64_t begin = block * query_rows;
      ForwardBlock(task % shape_.num_heads, begin,
                   std::min(begin + query_rows, query_.rows), values, out,
                   pool);
    });
  }

  void Backward(MatrixView<const float> d_out,
                const AttentionGradients& gradients, ThreadPool& pool) const {
    const PackedChunks values =
        PackChunks(shape_, value_, OperandLayout::kOutputsByDepth, pool);
    const PackedChunks keys =
        PackChunks(shape_, key_, OperandLayout::kDepthByOutputs, pool);
    FloatMatrix d_keys(query_.rows, shape_.QuerySize());
    FloatMatrix d_values(query_.rows, shape_.QuerySize());
    ForEach(shape_.num_heads, pool, [&](int64_t head) {
      const int64_t dim = shape_.head_dim;
      const HeadTask task = {head,
                             &keys,
                             &values,
                             Head(d_out, head, dim),
                             Head(gradients.query, head, dim),
                             Head(d_keys.view(), head, dim),
                             Head(d_values.view(), head, dim)};
      BackwardHead(task, pool);
    });
    AddHeads(d_keys.view(), gradients.key, pool);
    AddHeads(d_values.view(), gradients.value, pool);
  }

 private:
  // Backward through one query head; the gradients are its own.
  struct HeadTask {
    int64_t head;
    const PackedChunks* keys;    // Depth by outputs.
    const PackedChunks* values;  // Outputs by depth.
    MatrixView<const float> d_out;
    MatrixView<float> d_query;
    MatrixView<float> d_key;
    MatrixView<float> d_value;
  };

  // Calls body(i) for i in [0, count): at once where there are many, else one
  // after another, each sharing its products among the threads.
  template <typename Body>
  static void ForEach(int64_t count, ThreadPool& pool, const Body& body) {
    const auto run = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) body(i);
    };
    if (count < 2 * pool.num_threads()) {
      run(0, count);
    } else {
      pool.ParallelFor(0, count, /*grain=*/1, run);
    }
  }

  const PackedMatrix& Chunk(const PackedChunks& packed, int64_t head,
                            int64_t chunk) const {
    const int64_t kv_head = head / shape_.HeadsPerGroup();
    return packed[static_cast<size_t>(kv_head * num_chunks_ + chunk)];
  }

  // Probabilities of queries [begin, end) of a head over the chunks of keys
  // that they may see.
  MatrixView<float> Probabilities(int64_t head, int64_t begin, int64_t end,
                                  ThreadPool& pool) const {
    const int64_t num_keys = std::min(NumChunks(end) * kChunk, query_.rows);
    const MatrixView<float> p = Scratch<kProbabilities>(end - begin, num_keys);
    const MatrixView<const float> q =
        Head(query_, head, shape_.head_dim).Rows(begin, end);
    for (int64_t c = 0; c < NumChunks(num_keys); ++c) {
      Gemm(q, Chunk(keys_by_depth_, head, c), ChunkCols(p, c), pool);
    }
    Softmax(p, scale_, Mask(begin, end), p, pool);
    return p;
  }

  static CausalMask Mask(int64_t begin, int64_t end) {
    return CausalMask{begin + 1, end - begin};
  }

  void ForwardBlock(int64_t head, int64_t begin, int64_t end,
                    const PackedChunks& values, MatrixView<float> out,
                    ThreadPool& pool) const {
    const MatrixView<float> p = Probabilities(head, begin, end, pool);
    const MatrixView<float> o =
        Head(out, head, shape_.head_dim).Rows(begin, end);
    Clear(o);
    for (int64_t c = 0; c < NumChunks(p.cols); ++c) {
      AddProduct(ChunkCols(p, c), Chunk(values, head, c), o, pool);
    }
  }

  void BackwardHead(const HeadTask& task, ThreadPool& pool) const {
    Clear(task.d_query);
    Clear(task.d_key);
    Clear(task.d_value);
    for (int64_t c = 0; c < num_chunks_; ++c) {
      BackwardQueries(task, c, pool);
    }
  }

  // The part of one chunk of queries.
  void BackwardQueries(const HeadTask& task, int64_t query_chunk,
                       ThreadPool& pool) const {
    const int64_t begin = query_chunk * kChunk;
    const int64_t end = std::min(begin + kChunk, query_.rows);
    const MatrixView<float> p = Probabilities(task.head, begin, end, pool);
    const MatrixView<float> ds = Scratch<kGradients>(p.rows, p.cols);
    const MatrixView<const float> d_out = ChunkRows(task.d_out, query_chunk);
    for (int64_t c = 0; c <= query_chunk; ++c) {
      Gemm(d_out, Chunk(*task.values, task.head, c), ChunkCols(ds, c), pool);
    }
    SoftmaxBackward(p, ds, scale_, Mask(begin, end), ds, pool);
    const MatrixView<const float> q =
        Head(query_, task.head, shape_.head_dim).Rows(begin, end);
    const PackedMatrix packed_q = PackedMatrix::PackTransposed(q, pool);
    const PackedMatrix packed_d_out = PackedMatrix::PackTransposed(d_out, pool);
    for (int64_t c = 0; c <= query_chunk; ++c) {
      AddProduct(ChunkCols(ds, c), Chunk(*task.keys, task.head, c),
                 ChunkRows(task.d_query, query_chunk), pool);
      AddTransposedProduct(ChunkCols(ds, c), packed_q, ChunkRows(task.d_key, c),
                           pool);
      AddTransposedProduct(ChunkCols(p, c), packed_d_out,
                           ChunkRows(task.d_value, c), pool);
    }
  }

  // c += a^T b.
  static void AddTransposedProduct(MatrixView<const float> a,
                                   const PackedMatrix& b, MatrixView<float> c,
                                   ThreadPool& pool) {
    const MatrixView<float> transposed = Scratch<kTransposed>(a.cols, a.rows);
    Transpose(a, transposed);
    AddProduct(transposed, b, c, pool);
  }

  // Adds the heads of each group, in ascending order.
  void AddHeads(MatrixView<const float> of_heads, MatrixView<float> of_groups,
                ThreadPool& pool) const {
    const int64_t dim = shape_.head_dim;
    Clear(of_groups);
    for (int64_t head = 0; head < shape_.num_heads; ++head) {
      const MatrixView<float> sum =
          Head(of_groups, head / shape_.HeadsPerGroup(), dim);
      ResidualAdd(sum, Head(of_heads, head, dim), sum, pool);
    }
  }

  const AttentionShape shape_;
  const float scale_;
  const int64_t num_chunks_;
  const MatrixView<const float> query_;
  const MatrixView<const float> key_;
  const MatrixView<const float> value_;
  const PackedChunks keys_by_depth_;
};

void CheckInputs(const AttentionInputs& in) {
  const AttentionShape& shape = in.shape;
  MOE_CHECK(shape.num_key_value_heads > 0 && shape.head_dim > 0 &&
            shape.num_heads > 0 &&
            shape.num_heads % shape.num_key_value_heads == 0);
  MOE_CHECK(in.query.cols == shape.QuerySize() &&
            in.key.cols == shape.KeyValueSize() &&
            SameShape(in.key, in.value) && in.key.rows == in.query.rows);
  MOE_CHECK(!in.offsets.empty() && in.offsets.front() == 0 &&
            in.offsets.back() == in.query.rows &&
            std::is_sorted(in.offsets.begin(), in.offsets.end()));
}

// Calls body(begin, end) with the rows of each sequence: at once where there
// are many sequences.
template <typename Body>
void ForEachSequence(absl::Span<const int64_t> offsets, ThreadPool& pool,
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

}  // namespace

void CausalAttention(const AttentionInputs& inputs, MatrixView<float> out,
                     int64_t query_rows, ThreadPool& pool) {
  CheckInputs(inputs);
  MOE_CHECK(SameShape(inputs.query, out) && query_rows > 0);
  ForEachSequence(inputs.offsets, pool, [&](int64_t begin, int64_t end) {
    SequenceAttention(inputs, begin, end, pool)
        .Forward(query_rows, out.Rows(begin, end), pool);
  });
}

void CausalAttentionBackward(const AttentionInputs& inputs,
                             MatrixView<const float> d_out,
                             const AttentionGradients& gradients,
                             ThreadPool& pool) {
  CheckInputs(inputs);
  MOE_CHECK(SameShape(inputs.query, d_out) &&
            SameShape(inputs.query, gradients.query) &&
            SameShape(inputs.key, gradients.key) &&
            SameShape(inputs.value, gradients.value));
  ForEachSequence(inputs.offsets, pool, [&](int64_t begin, int64_t end) {
    const AttentionGradients part = {gradients.query.Rows(begin, end),
                                     gradients.key.Rows(begin, end),
                                     gradients.value.Rows(begin, end)};
    SequenceAttention(inputs, begin, end, pool)
        .Backward(d_out.Rows(begin, end), part, pool);
  });
}

}  // namespace moe
