#include "moe/model/walk/hidden_states.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/spill_file.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"

namespace moe::model {
namespace {

int64_t NumBytes(int64_t num_tokens, int64_t hidden_size) {
  return num_tokens * hidden_size * static_cast<int64_t>(sizeof(float));
}

}  // namespace

absl::StatusOr<HiddenStates> HiddenStates::Create(
    int64_t num_tokens, int64_t hidden_size, base::MemoryBudget& budget,
    absl::string_view spill_directory) {
  HiddenStates states;
  states.num_tokens_ = num_tokens;
  states.hidden_size_ = hidden_size;
  const int64_t num_bytes = NumBytes(num_tokens, hidden_size);
  std::optional<base::MemoryBudget::Reservation> reservation =
      budget.TryReserve(num_bytes);
  if (reservation.has_value()) {
    states.reservation_ = std::move(*reservation);
    states.values_ = base::Matrix<float>(num_tokens, hidden_size);
    return states;
  }
  MOE_ASSIGN_OR_RETURN(
      states.file_, base::SpillFile::Create(spill_directory,
                                            static_cast<uint64_t>(num_bytes)));
  return states;
}

base::MatrixView<float> HiddenStates::Prepare(int64_t begin, int64_t end,
                                              base::Matrix<float>& buffer) {
  if (!is_spilled()) return values_.view().Rows(begin, end);
  MOE_CHECK(0 <= begin && begin <= end && end <= num_tokens_);
  if (buffer.rows() < end - begin || buffer.cols() != hidden_size_) {
    buffer = base::Matrix<float>(end - begin, hidden_size_);
  }
  return buffer.view().Rows(0, end - begin);
}

absl::StatusOr<base::MatrixView<float>> HiddenStates::Load(
    int64_t begin, int64_t end, base::Matrix<float>& buffer) {
  const base::MatrixView<float> rows = Prepare(begin, end, buffer);
  if (!is_spilled()) return rows;
  MOE_RETURN_IF_ERROR(file_->Read(
      static_cast<uint64_t>(NumBytes(begin, hidden_size_)),
      absl::MakeSpan(reinterpret_cast<char*>(rows.data),
                     static_cast<size_t>(NumBytes(rows.rows, hidden_size_)))));
  return rows;
}

absl::Status HiddenStates::ForEachBlock(
    int64_t rows_at_once, base::Matrix<float>& buffer,
    absl::FunctionRef<absl::Status(int64_t, base::MatrixView<const float>)>
        body) {
  for (int64_t begin = 0; begin < num_tokens_; begin += rows_at_once) {
    const int64_t end = std::min(begin + rows_at_once, num_tokens_);
    MOE_ASSIGN_OR_RETURN(const base::MatrixView<float> rows,
                         Load(begin, end, buffer));
    MOE_RETURN_IF_ERROR(body(begin, rows));
  }
  return absl::OkStatus();
}

absl::Status HiddenStates::ForEachBlockInParallel(
    int64_t rows_at_once, base::ThreadPool& pool,
    absl::FunctionRef<absl::Status(int64_t, base::MatrixView<const float>)>
        body) {
  const int64_t num_blocks = (num_tokens_ + rows_at_once - 1) / rows_at_once;
  std::vector<absl::Status> statuses(static_cast<size_t>(num_blocks));
  const auto run = [&](int64_t block) -> absl::Status {
    thread_local base::Matrix<float> buffer;
    const int64_t begin = block * rows_at_once;
    MOE_ASSIGN_OR_RETURN(
        const base::MatrixView<float> rows,
        Load(begin, std::min(begin + rows_at_once, num_tokens_), buffer));
    return body(begin, rows);
  };
  pool.ParallelFor(0, num_blocks, /*grain=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      statuses[static_cast<size_t>(block)] = run(block);
    }
  });
  for (absl::Status& status : statuses) MOE_RETURN_IF_ERROR(std::move(status));
  return absl::OkStatus();
}

absl::Status HiddenStates::Store(int64_t begin,
                                 base::MatrixView<const float> rows) {
  MOE_CHECK(0 <= begin && begin + rows.rows <= num_tokens_ &&
            rows.cols == hidden_size_ && rows.stride == hidden_size_);
  if (!is_spilled()) {
    MOE_CHECK(rows.data == values_.view().RowData(begin));
    return absl::OkStatus();
  }
  return file_->Write(
      static_cast<uint64_t>(NumBytes(begin, hidden_size_)),
      absl::MakeConstSpan(
          reinterpret_cast<const char*>(rows.data),
          static_cast<size_t>(NumBytes(rows.rows, hidden_size_))));
}

absl::Status HiddenStates::StoreCopy(int64_t begin,
                                     base::MatrixView<const float> rows,
                                     base::Matrix<float>& buffer) {
  MOE_CHECK(rows.cols == hidden_size_);
  if (is_spilled() && rows.stride == hidden_size_) return Store(begin, rows);
  const base::MatrixView<float> out = Prepare(begin, begin + rows.rows, buffer);
  for (int64_t r = 0; r < rows.rows; ++r) {
    const absl::Span<const float> row = rows.Row(r);
    std::copy(row.begin(), row.end(), out.RowData(r));
  }
  return Store(begin, out);
}

}  // namespace moe::model
