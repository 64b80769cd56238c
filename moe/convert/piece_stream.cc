#include "moe/convert/piece_stream.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/sharded_tensors.h"
#include "moe/checkpoint/tensor.h"
#include "moe/convert/background_appender.h"
#include "moe/convert/gather_columns.h"
#include "moe/convert/piece_reader.h"

namespace moe::convert {
namespace {

int64_t CountIndices(const std::vector<absl::Span<const int64_t>>& lists) {
  int64_t count = 0;
  for (const auto& list : lists) count += static_cast<int64_t>(list.size());
  return count;
}

// The size of each row (`axis` 0) or column (1) of a matrix.
int64_t BytesOfEach(const checkpoint::TensorLocation& from, size_t axis) {
  const checkpoint::Shape& shape = from.tensor->spec.shape;
  MOE_CHECK(axis < shape.size() && shape[axis] > 0);
  return NumBytes(from.tensor->spec) / shape[axis];
}

}  // namespace

GeneratedPiece PieceOf(std::string bytes) {
  const auto num_bytes = static_cast<int64_t>(bytes.size());
  const auto kept = std::make_shared<const std::string>(std::move(bytes));
  return {num_bytes, [kept] { return *kept; }};
}

int64_t NumBytes(const TensorPiece& piece) {
  return std::visit(
      [](const auto& p) -> int64_t {
        using Piece = std::decay_t<decltype(p)>;
        if constexpr (std::is_same_v<Piece, GeneratedPiece>) {
          return p.num_bytes;
        } else if constexpr (std::is_same_v<Piece, RowsPiece>) {
          return CountIndices(p.lists) * BytesOfEach(p.from, 0);
        } else if constexpr (std::is_same_v<Piece, ColumnsPiece>) {
          return CountIndices(p.lists) * BytesOfEach(p.from, 1);
        } else {
          return NumBytes(p.from.tensor->spec);
        }
      },
      piece);
}

namespace {

// A buffer is large enough for every thread to have some reads of it. All
// buffers together keep the writer busy while a matrix' columns are gathered,
// and stay small beside the matrices of a large model.
constexpr int64_t kBufferBytes = int64_t{2} << 20;
constexpr size_t kNumBuffers = 8;
// The most bytes that are gathered at a time. As many lists of columns go
// through the matrix together as make no more. A larger result takes several
// readings of the matrix. Where a single list makes more, its rows are written
// as they are read.
constexpr int64_t kColumnsBytes = int64_t{64} << 20;
// What a thread reads at a time. Larger pieces would fall out of its cache
// before they are used.
constexpr int64_t kReadBytes = int64_t{256} << 10;

// Memory that is written from, and used again once it has been.
class Buffer {
 public:
  // For so many bytes, of which none is set. Waits until what was last appended
  // from here has been written.
  absl::StatusOr<absl::Span<char>> Take(size_t size,
                                        BackgroundAppender& appender) {
    MOE_RETURN_IF_ERROR(appender.Wait(ticket_));
    if (size > capacity_) {
      bytes_.reset();  // Before there are two.
      bytes_.reset(new char[size]);
      capacity_ = size;
    }
    size_ = size;
    return absl::MakeSpan(bytes_.get(), size);
  }

  // In parts, so that the device can begin with the first.
  void Append(BackgroundAppender& appender) {
    absl::string_view bytes(bytes_.get(), size_);
    while (!bytes.empty()) {
      const absl::string_view part = bytes.substr(0, kBufferBytes);
      ticket_ = appender.Append(part);
      bytes.remove_prefix(part.size());
    }
  }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t capacity_ = 0;
  size_t size_ = 0;
  int64_t ticket_ = 0;
};

// body(begin, end) for the pieces of [0, count), on all threads; the error of
// the first piece that has one.
absl::Status ParallelReads(
    base::ThreadPool& pool, int64_t count, int64_t grain,
    absl::FunctionRef<absl::Status(int64_t, int64_t)> body) {
  std::mutex mutex;
  absl::Status first;
  int64_t first_begin = 0;
  pool.ParallelFor(0, count, grain, [&](int64_t begin, int64_t end) {
    absl::Status status = body(begin, end);
    if (status.ok()) return;
    const std::lock_guard<std::mutex> lock(mutex);
    if (!first.ok() && first_begin < begin) return;
    first = std::move(status);
    first_begin = begin;
  });
  return first;
}

ColumnMatrix MatrixOf(const checkpoint::TensorLocation& from) {
  const checkpoint::TensorSpec& spec = from.tensor->spec;
  return {spec.shape[0], spec.shape[1], checkpoint::DtypeSize(spec.dtype)};
}

int64_t RowsPerRead(const ColumnMatrix& matrix) {
  return std::max<int64_t>(
      1, kReadBytes / (matrix.num_cols * matrix.element_bytes));
}

// Rows from `first` on, whose columns become the rows of `to`, which has no
// bytes yet.
absl::Status ReadAndGather(const checkpoint::TensorLocation& from,
                           int64_t first, RowBlock to,
                           const ColumnGatherer& gatherer) {
  const ColumnMatrix matrix = MatrixOf(from);
  const int64_t row_bytes = matrix.num_cols * matrix.element_bytes;
  const auto size = static_cast<size_t>(to.num_rows * row_bytes);
  const std::unique_ptr<char[]> rows(new char[size]);
  MOE_RETURN_IF_ERROR(
      ReadFinite(from, first * row_bytes, absl::MakeSpan(rows.get(), size)));
  to.bytes = rows.get();
  gatherer.Gather(to);
  return absl::OkStatus();
}

class Streamer {
 public:
  Streamer(const std::function<absl::Status(absl::string_view)>& append,
           const ConversionResources& resources)
      : resources_(resources), appender_(append) {}

  absl::Status Write(const CopyPiece& piece) { return WriteRead(piece); }
  absl::Status Write(const RowsPiece& piece) { return WriteRead(piece); }
  absl::Status Write(const ScaledPiece& piece) { return WriteScaled(piece); }
  absl::Status Write(const ScaledRowsPiece& piece) {
    return WriteScaled(piece);
  }
  absl::Status Write(const ColumnsPiece& piece);
  absl::Status Write(const GeneratedPiece& piece);

  absl::StatusOr<ScaledCounts> Finish() {
    for (Buffer& buffer : buffers_) {
      MOE_RETURN_IF_ERROR(buffer.Take(0, appender_).status());
    }
    MOE_RETURN_IF_ERROR(columns_.Take(0, appender_).status());
    return counts_;
  }

 private:
  template <typename Piece>
  absl::Status WriteRead(const Piece& piece) {
    return WriteUnits(UnitsOf(piece), [&](int64_t first, absl::Span<char> out) {
      return ReadUnits(piece, first, out);
    });
  }
  template <typename Piece>
  absl::Status WriteScaled(const Piece& piece);
  // All lists at once.
  absl::Status WriteColumns(const ColumnsPiece& piece);
  // The piece has a single list.
  absl::Status WriteLongColumns(const ColumnsPiece& piece);
  // `read` fills its second argument from a unit on.
  template <typename Read>
  absl::Status WriteUnits(const PieceUnits& units, const Read& read);
  Buffer& NextBuffer() { return buffers_[next_buffer_++ % kNumBuffers]; }
  void Append(Buffer& buffer, size_t num_bytes) {
    buffer.Append(appender_);
    resources_.progress.Advance(static_cast<int64_t>(num_bytes));
  }

  const ConversionResources& resources_;
  // Before the appender, whose thread reads them.
  std::array<Buffer, kNumBuffers> buffers_;
  Buffer columns_;
  size_t next_buffer_ = 0;
  ScaledCounts counts_;
  BackgroundAppender appender_;
};

template <typename Read>
absl::Status Streamer::WriteUnits(const PieceUnits& units, const Read& read) {
  const int64_t per_buffer = std::max<int64_t>(1, kBufferBytes / units.bytes);
  const int64_t per_read = std::max<int64_t>(1, kReadBytes / units.bytes);
  for (int64_t begin = 0; begin < units.count; begin += per_buffer) {
    const int64_t count = std::min(per_buffer, units.count - begin);
    Buffer& buffer = NextBuffer();
    MOE_ASSIGN_OR_RETURN(
        const absl::Span<char> out,
        buffer.Take(static_cast<size_t>(count * units.bytes), appender_));
    MOE_RETURN_IF_ERROR(ParallelReads(
        resources_.pool, count, per_read, [&](int64_t b, int64_t e) {
          return read(begin + b,
                      out.subspan(static_cast<size_t>(b * units.bytes),
                                  static_cast<size_t>((e - b) * units.bytes)));
        }));
    Append(buffer, out.size());
  }
  return absl::OkStatus();
}

template <typename Piece>
absl::Status Streamer::WriteScaled(const Piece& piece) {
  std::mutex mutex;
  counts_.num_scaled += NumBytes(TensorPiece(piece)) /
                        checkpoint::DtypeSize(piece.from.tensor->spec.dtype);
  return WriteUnits(UnitsOf(piece),
                    [&](int64_t first, absl::Span<char> out) -> absl::Status {
                      MOE_ASSIGN_OR_RETURN(const int64_t num_rounded,
                                           ReadUnits(piece, first, out));
                      const std::lock_guard<std::mutex> lock(mutex);
                      counts_.num_rounded += num_rounded;
                      return absl::OkStatus();
                    });
}

absl::Status Streamer::Write(const ColumnsPiece& piece) {
  ColumnsPiece part = {piece.from, {}};
  for (const auto& list : piece.lists) {
    part.lists.push_back(list);
    if (part.lists.size() > 1 && NumBytes(TensorPiece(part)) > kColumnsBytes) {
      part.lists.pop_back();
      MOE_RETURN_IF_ERROR(WriteColumns(part));
      part.lists = {list};
    }
  }
  return WriteColumns(part);
}

absl::Status Streamer::WriteColumns(const ColumnsPiece& piece) {
  const int64_t num_bytes = NumBytes(TensorPiece(piece));
  if (num_bytes > kColumnsBytes) return WriteLongColumns(piece);
  const ColumnMatrix matrix = MatrixOf(piece.from);
  const ColumnLists lists(piece.lists);
  MOE_ASSIGN_OR_RETURN(
      const absl::Span<char> out,
      columns_.Take(static_cast<size_t>(num_bytes), appender_));
  const ColumnGatherer gatherer(matrix, lists, out);
  MOE_RETURN_IF_ERROR(ParallelReads(
      resources_.pool, matrix.num_rows, RowsPerRead(matrix),
      [&](int64_t begin, int64_t end) {
        return ReadAndGather(piece.from, begin, {nullptr, begin, end - begin},
                             gatherer);
      }));
  Append(columns_, out.size());
  return absl::OkStatus();
}

absl::Status Streamer::WriteLongColumns(const ColumnsPiece& piece) {
  MOE_CHECK(piece.lists.size() == 1);
  const ColumnMatrix matrix = MatrixOf(piece.from);
  const ColumnLists lists(piece.lists);
  const int64_t out_row_bytes = lists.size(0) * matrix.element_bytes;
  return WriteUnits(
      {matrix.num_rows, out_row_bytes},
      [&](int64_t first, absl::Span<char> out) -> absl::Status {
        ColumnMatrix part = matrix;
        part.num_rows = static_cast<int64_t>(out.size()) / out_row_bytes;
        const ColumnGatherer gatherer(part, lists, out);
        const int64_t per_read = RowsPerRead(matrix);
        for (int64_t row = 0; row < part.num_rows; row += per_read) {
          const int64_t count = std::min(per_read, part.num_rows - row);
          MOE_RETURN_IF_ERROR(ReadAndGather(piece.from, first + row,
                                            {nullptr, row, count}, gatherer));
        }
        return absl::OkStatus();
      });
}

absl::Status Streamer::Write(const GeneratedPiece& piece) {
  MOE_ASSIGN_OR_RETURN(const std::string bytes, piece.generate());
  MOE_CHECK(static_cast<int64_t>(bytes.size()) == piece.num_bytes);
  Buffer& buffer = NextBuffer();
  MOE_ASSIGN_OR_RETURN(const absl::Span<char> out,
                       buffer.Take(bytes.size(), appender_));
  std::copy(bytes.begin(), bytes.end(), out.begin());
  Append(buffer, out.size());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ScaledCounts> StreamPieces(
    absl::Span<const TensorPiece> pieces,
    const std::function<absl::Status(absl::string_view)>& append,
    const ConversionResources& resources) {
  Streamer streamer(append, resources);
  for (const TensorPiece& piece : pieces) {
    MOE_RETURN_IF_ERROR(
        std::visit([&](const auto& p) { return streamer.Write(p); }, piece));
  }
  return streamer.Finish();
}

}  // namespace moe::convert
