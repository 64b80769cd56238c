// The hidden states of all tokens between two layers, in memory or in a file.
//
// The memory budget decides where they are. This changes no bit: floats come
// back from a file as they went in.

#ifndef MOE_MODEL_WALK_HIDDEN_STATES_H_
#define MOE_MODEL_WALK_HIDDEN_STATES_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/spill_file.h"
#include "moe/base/thread_pool.h"

namespace moe::model {

class HiddenStates {
 public:
  HiddenStates() = default;

  // [num_tokens, hidden_size], not initialised. In memory if the budget has
  // room, else in a file in `spill_directory`. The errors of SpillFile.
  static absl::StatusOr<HiddenStates> Create(int64_t num_tokens,
                                             int64_t hidden_size,
                                             base::MemoryBudget& budget,
                                             absl::string_view spill_directory);

  int64_t num_tokens() const { return num_tokens_; }
  int64_t hidden_size() const { return hidden_size_; }
  bool is_spilled() const { return file_.has_value(); }

  // The rows [begin, end): in place, or a copy in `buffer`, which grows as
  // needed. Call Store to keep changes.
  absl::StatusOr<base::MatrixView<float>> Load(int64_t begin, int64_t end,
                                               base::Matrix<float>& buffer);
  // The same without the values. The caller fills the rows.
  base::MatrixView<float> Prepare(int64_t begin, int64_t end,
                                  base::Matrix<float>& buffer);
  // Calls `body` with every block of `rows_at_once` rows, ascending, and the
  // number of its first row. Returns the first error. `buffer` as for Load.
  absl::Status ForEachBlock(
      int64_t rows_at_once, base::Matrix<float>& buffer,
      absl::FunctionRef<absl::Status(int64_t, base::MatrixView<const float>)>
          body);
  // The same on the threads of the pool, in any order. Each thread keeps its
  // own buffer, so that `body` must not call this again. Returns the error of
  // the first block that has one.
  absl::Status ForEachBlockInParallel(
      int64_t rows_at_once, base::ThreadPool& pool,
      absl::FunctionRef<absl::Status(int64_t, base::MatrixView<const float>)>
          body);
  // Keeps `rows`, which Load or Prepare returned for the rows from `begin` on.
  absl::Status Store(int64_t begin, base::MatrixView<const float> rows);
  // Keeps a copy of any `rows` as the rows from `begin` on. `buffer` as for
  // Load.
  absl::Status StoreCopy(int64_t begin, base::MatrixView<const float> rows,
                         base::Matrix<float>& buffer);

 private:
  int64_t num_tokens_ = 0;
  int64_t hidden_size_ = 0;
  base::MemoryBudget::Reservation reservation_;
  base::Matrix<float> values_;
  std::optional<base::SpillFile> file_;
};

}  // namespace moe::model

#endif  // MOE_MODEL_WALK_HIDDEN_STATES_H_
