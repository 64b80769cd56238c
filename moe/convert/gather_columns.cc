#include "moe/convert/gather_columns.h"

#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/types/span.h"
#include "moe/base/check.h"

namespace moe::convert {
namespace {

// One row at a time: it stays in the first cache while its elements are picked.
template <typename Element>
void GatherRow(absl::Span<const uint32_t> columns, const char* in, char* out) {
  for (size_t j = 0; j < columns.size(); ++j) {
    std::memcpy(out + j * sizeof(Element),
                in + size_t{columns[j]} * sizeof(Element), sizeof(Element));
  }
}

}  // namespace

ColumnLists::ColumnLists(absl::Span<const absl::Span<const int64_t>> lists) {
  for (const auto& list : lists) {
    List& added = lists_.emplace_back();
    added.is_range = true;
    for (const int64_t column : list) {
      MOE_CHECK(column >= 0 && column <= int64_t{UINT32_MAX});
      added.is_range =
          added.is_range && (added.columns.empty() ||
                             column == int64_t{added.columns.back()} + 1);
      added.columns.push_back(static_cast<uint32_t>(column));
    }
  }
}

ColumnGatherer::ColumnGatherer(const ColumnMatrix& matrix,
                               const ColumnLists& lists, absl::Span<char> out)
    : matrix_(matrix), lists_(lists) {
  size_t offset = 0;
  for (size_t i = 0; i < lists.num_lists(); ++i) {
    outs_.push_back(out.data() + offset);
    offset += static_cast<size_t>(matrix.num_rows * lists.size(i) *
                                  matrix.element_bytes);
    for (const uint32_t column : lists.lists_[i].columns) {
      MOE_CHECK(int64_t{column} < matrix.num_cols);
    }
  }
  MOE_CHECK(offset == out.size());
}

template <typename Element>
void ColumnGatherer::GatherElements(const RowBlock& block) const {
  const int64_t in_stride =
      matrix_.num_cols * static_cast<int64_t>(sizeof(Element));
  for (size_t i = 0; i < outs_.size(); ++i) {
    const ColumnLists::List& list = lists_.lists_[i];
    if (list.columns.empty()) continue;
    const size_t out_stride = list.columns.size() * sizeof(Element);
    for (int64_t r = 0; r < block.num_rows; ++r) {
      const char* const in = block.bytes + r * in_stride;
      char* const out =
          outs_[i] + static_cast<size_t>(block.first_row + r) * out_stride;
      if (list.is_range) {
        std::memcpy(out, in + size_t{list.columns[0]} * sizeof(Element),
                    out_stride);
      } else {
        GatherRow<Element>(list.columns, in, out);
      }
    }
  }
}

void ColumnGatherer::Gather(const RowBlock& block) const {
  switch (matrix_.element_bytes) {
    case 1:
      return GatherElements<uint8_t>(block);
    case 2:
      return GatherElements<uint16_t>(block);
    case 4:
      return GatherElements<uint32_t>(block);
    default:
      MOE_CHECK(matrix_.element_bytes == 8);
      return GatherElements<uint64_t>(block);
  }
}

}  // namespace moe::convert
