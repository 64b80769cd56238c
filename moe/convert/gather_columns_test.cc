#include "moe/convert/gather_columns.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/philox.h"

namespace moe::convert {
namespace {

using Lists = std::vector<std::vector<int64_t>>;

std::vector<absl::Span<const int64_t>> SpansOf(const Lists& lists) {
  return {lists.begin(), lists.end()};
}

// The definition, byte by byte.
std::string Slow(const ColumnMatrix& matrix, const std::string& in,
                 const Lists& lists) {
  std::string out;
  for (const std::vector<int64_t>& list : lists) {
    for (int64_t r = 0; r < matrix.num_rows; ++r) {
      for (const int64_t column : list) {
        out += in.substr(static_cast<size_t>((r * matrix.num_cols + column) *
                                             matrix.element_bytes),
                         static_cast<size_t>(matrix.element_bytes));
      }
    }
  }
  return out;
}

std::string Gathered(const ColumnMatrix& matrix, const std::string& in,
                     const Lists& lists, int64_t rows_at_once) {
  std::string out(Slow(matrix, in, lists).size(), '\0');
  const ColumnLists column_lists(SpansOf(lists));
  const ColumnGatherer gatherer(matrix, column_lists, absl::MakeSpan(out));
  for (int64_t r = 0; r < matrix.num_rows; r += rows_at_once) {
    gatherer.Gather({in.data() + r * matrix.num_cols * matrix.element_bytes, r,
                     std::min(rows_at_once, matrix.num_rows - r)});
  }
  return out;
}

TEST(GatherColumnsTest, ASmallOne) {
  // Rows "abcd" and "efgh".
  EXPECT_EQ(Gathered({2, 4, 1}, "abcdefgh", {{3, 0}, {1, 2}}, 2), "dahebcfg");
}

TEST(GatherColumnsTest, IsItsDefinition) {
  base::RandomStream stream(0, "gather_columns_test");
  for (const int64_t element_bytes : {1, 2, 4, 8}) {
    for (const int64_t num_rows : {1, 3, 4, 9}) {
      const ColumnMatrix matrix = {num_rows, 13, element_bytes};
      std::string in;
      for (int64_t i = 0; i < num_rows * 13 * element_bytes; ++i) {
        in += static_cast<char>(stream.NextUint32());
      }
      std::vector<int64_t> order(13);
      std::iota(order.begin(), order.end(), int64_t{0});
      base::Shuffle(stream, absl::MakeSpan(order));
      // Lists in any order, a range, nothing, the same column twice.
      const Lists lists = {{order.begin(), order.begin() + 6},
                           {4, 5, 6, 7},
                           {},
                           {12, 12},
                           {order.begin() + 6, order.end()}};
      for (const int64_t rows_at_once : {1, 2, 5, 9}) {
        EXPECT_EQ(Gathered(matrix, in, lists, rows_at_once),
                  Slow(matrix, in, lists))
            << element_bytes << " bytes, " << num_rows << " rows, "
            << rows_at_once << " at once";
      }
    }
  }
}

}  // namespace
}  // namespace moe::convert
