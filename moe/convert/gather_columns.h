// Gathers columns of a matrix in another order.

#ifndef MOE_CONVERT_GATHER_COLUMNS_H_
#define MOE_CONVERT_GATHER_COLUMNS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace moe::convert {

// The columns of each matrix that a matrix is cut into.
class ColumnLists {
 public:
  // The indices must be in [0, 2^32).
  explicit ColumnLists(absl::Span<const absl::Span<const int64_t>> lists);

  size_t num_lists() const { return lists_.size(); }
  int64_t size(size_t list) const {
    return static_cast<int64_t>(lists_[list].columns.size());
  }

 private:
  friend class ColumnGatherer;
  struct List {
    std::vector<uint32_t> columns;
    // Whether each column is the one after that before it.
    bool is_range = false;
  };
  std::vector<List> lists_;
};

// A block of rows of the matrix.
struct RowBlock {
  const char* bytes = nullptr;  // [num_rows, num_cols], without alignment.
  int64_t first_row = 0;        // Its number in the whole matrix.
  int64_t num_rows = 0;
};

struct ColumnMatrix {
  int64_t num_rows = 0;
  int64_t num_cols = 0;
  int64_t element_bytes = 0;  // 1, 2, 4 or 8.
};

// Copies bytes, whatever an element means. Several threads may use it at once,
// for different rows.
class ColumnGatherer {
 public:
  // `out` takes, one after another, the matrices [num_rows, size(list)] of all
  // lists. Both must outlive the gatherer, and the indices lie in [0,
  // num_cols).
  ColumnGatherer(const ColumnMatrix& matrix, const ColumnLists& lists,
                 absl::Span<char> out);

  void Gather(const RowBlock& block) const;

 private:
  template <typename Element>
  void GatherElements(const RowBlock& block) const;

  const ColumnMatrix matrix_;
  const ColumnLists& lists_;
  std::vector<char*> outs_;  // One for each list.
};

}  // namespace moe::convert

#endif  // MOE_CONVERT_GATHER_COLUMNS_H_
