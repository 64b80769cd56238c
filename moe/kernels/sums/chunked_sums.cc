#include "moe/kernels/sums/chunked_sums.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/check.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/sums/add_fixed_points.h"
#include "moe/kernels/sums/chunk_kernels.h"
#include "moe/kernels/sums/fixed_point.h"
#include "moe/kernels/sums/sums_record.h"
#include "moe/kernels/sums/token_ranges.h"
#include "moe/kernels/sums/wide_integer.h"

namespace moe::kernels::internal {
namespace {

// The columns of a task. Fewer tasks read rows in longer runs: one task of 4096
// columns takes half the time of eight. So there is one task for each thread,
// unless the doubles of its columns would leave the second-level cache.
int64_t ColumnsPerTask(int64_t num_columns, int64_t doubles_per_column,
                       int num_threads) {
  constexpr int64_t kMinColumns = 256;
  constexpr int64_t kMaxDoubles = 16384;  // 128 KiB.
  const int64_t max_columns = std::max(
      kMaxDoubles / std::max(doubles_per_column, int64_t{1}), kMinColumns);
  const int64_t even = (num_columns + num_threads - 1) / num_threads;
  return std::clamp((even + 15) / 16 * 16, kMinColumns, max_columns);
}

ChunkTerm Weighted(ChunkTerm term) {
  return term == ChunkTerm::kAbsolute ? ChunkTerm::kWeightedAbsolute
                                      : ChunkTerm::kWeighted;
}

// The error of the first NaN or infinity, in the order of the tokens and then
// of the features.
absl::Status FirstNonFinite(const ChunkedRows& input) {
  for (int64_t r = 0; r < input.rows.rows; ++r) {
    for (int64_t c = 0; c < input.rows.cols; ++c) {
      const float value = input.rows.RowData(r)[c];
      if (!std::isfinite(value)) {
        return absl::InvalidArgumentError(
            absl::StrCat("token ", input.first_token + r, ", ", FeatureName(c),
                         ": expected a finite number, found ", value));
      }
    }
  }
  MOE_CHECK(false && "a sum of finite numbers was not finite");
}

// Checks that every token is in one group, or in all.
absl::Status CheckCounts(const SumsRecord& record, bool is_grouped) {
  const int64_t num_tokens = record.tokens.size();
  int64_t rest = num_tokens;
  for (const int64_t count : record.counts) {
    if (is_grouped ? count > rest : count != num_tokens) {
      return absl::InvalidArgumentError(
          absl::StrCat("malformed sums: expected groups that have ", num_tokens,
                       " tokens together, found a group of ", count));
    }
    if (is_grouped) rest -= count;
  }
  if (is_grouped && rest != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("malformed sums: expected a group for each of ",
                     num_tokens, " tokens, found ", rest, " without one"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string FeatureName(int64_t feature) {
  return absl::StrCat("feature ", feature);
}

// What the blocks of columns of a call share.
struct ChunkedSums::Call {
  const ChunkedRows& input;
  ChunkTerm term;
  std::vector<uint8_t> order;  // Only if grouped.
  std::vector<Piece> pieces;
};

struct ChunkedSums::Change {
  struct Rows {
    std::array<uint8_t, kTokensPerChunk> values;
    size_t size = 0;

    void Add(int64_t row) { values[size++] = static_cast<uint8_t>(row); }
    absl::Span<const uint8_t> Span() const {
      return absl::MakeConstSpan(values).first(size);
    }
  };

  int64_t piece;
  int64_t group;
  Rows old_rows;
  Rows new_rows;
};

ChunkedSums::ChunkedSums(const ChunkedSumsKind& kind,
                         std::vector<int32_t> fraction_bits,
                         int64_t num_columns)
    : kind_(&kind) {
  const int64_t num_groups = static_cast<int64_t>(fraction_bits.size());
  MOE_CHECK(0 <= num_columns && num_columns <= kMaxSumsDimension);
  MOE_CHECK(num_groups <= kMaxSumsDimension);
  for (const int32_t bits : fraction_bits) {
    MOE_CHECK(0 <= bits && bits <= kMaxFractionBits);
  }
  record_.kind = kind.id;
  record_.num_columns = num_columns;
  record_.fraction_bits = std::move(fraction_bits);
  record_.counts.resize(static_cast<size_t>(num_groups));
  record_.sums.resize(static_cast<size_t>(num_groups * num_columns));
}

double* ChunkedSums::OpenSums(int64_t group, int64_t part) {
  return open_.data() + (group * parts() + part) * num_columns();
}

Int128 ChunkedSums::sum(int64_t group, int64_t column) const {
  return record_.sums[static_cast<size_t>(group * num_columns() + column)];
}

double ChunkedSums::SumAsDouble(int64_t group, int64_t column) const {
  return FixedPointToDouble(sum(group, column),
                            record_.fraction_bits[static_cast<size_t>(group)]);
}

absl::Status ChunkedSums::Fail(absl::Status status) {
  status_ = std::move(status);
  return status_;
}

absl::Status ChunkedSums::Overflow(const OverflowPlace& place) const {
  const int32_t bits = record_.fraction_bits[static_cast<size_t>(place.group)];
  return absl::OutOfRangeError(absl::StrCat(
      kind_->name(place.group, place.column, num_columns()),
      " leaves the range: with ", bits,
      " fraction bits, expected a magnitude below 2^", 127 - bits));
}

void ChunkedSums::Problem::Add(const Problem& other) {
  has_non_finite = has_non_finite || other.has_non_finite;
  if (!overflow.has_value() ||
      (other.overflow.has_value() && *other.overflow < *overflow)) {
    overflow = other.overflow;
  }
}

std::vector<int32_t> ChunkedSums::AllGroups() const {
  std::vector<int32_t> groups(static_cast<size_t>(num_groups()));
  std::iota(groups.begin(), groups.end(), 0);
  return groups;
}

// Records the tokens. Closes the open chunk if they do not continue it.
absl::Status ChunkedSums::AddTokens(const ChunkedRows& input) {
  const int64_t num_rows = input.rows.rows;
  if (input.first_token < 0 ||
      input.first_token > std::numeric_limits<int64_t>::max() - num_rows) {
    return absl::InvalidArgumentError(
        absl::StrCat("first of ", num_rows, " tokens: expected 0 or more, and ",
                     "the last below 2^63, found ", input.first_token));
  }
  const TokenRange range = {input.first_token, input.first_token + num_rows};
  if (open_end_ >= 0 && input.first_token == open_end_) {
    return record_.tokens.Extend(range);
  }
  MOE_RETURN_IF_ERROR(record_.tokens.Insert(range));
  return Finish();
}

std::vector<ChunkedSums::Piece> ChunkedSums::CutIntoPieces(
    const ChunkedRows& input) {
  std::vector<Piece> pieces;
  std::vector<bool> is_in_chunk;
  int64_t row = 0;
  while (row < input.rows.rows) {
    const int64_t room =
        kTokensPerChunk - (input.first_token + row) % kTokensPerChunk;
    const int64_t row_end = std::min(row + room, input.rows.rows);
    std::vector<int32_t> groups = std::move(open_groups_);
    if (kind_->is_grouped) {
      is_in_chunk.assign(static_cast<size_t>(num_groups()), false);
      for (const int32_t group : groups) {
        is_in_chunk[static_cast<size_t>(group)] = true;
      }
      for (int64_t r = row; r < row_end; ++r) {
        const int32_t group = input.groups[static_cast<size_t>(r)];
        const auto at = static_cast<size_t>(group);
        record_.counts[at] += 1;
        if (is_in_chunk[at]) continue;
        is_in_chunk[at] = true;
        groups.push_back(group);
      }
      std::sort(groups.begin(), groups.end());
    } else {
      groups = AllGroups();
      for (int64_t& count : record_.counts) count += row_end - row;
    }
    const bool closes = row_end - row == room;
    open_groups_ = closes ? std::vector<int32_t>() : groups;
    pieces.push_back({row, row_end, closes, std::move(groups)});
    row = row_end;
  }
  open_end_ = pieces.back().closes ? -1 : input.first_token + input.rows.rows;
  return pieces;
}

// The rows of every piece, counted from its first, in the order of (group,
// token): the tokens of a chunk that are in the same group become neighbours.
std::vector<uint8_t> ChunkedSums::OrderByGroup(
    const ChunkedRows& input, absl::Span<const Piece> pieces) const {
  std::vector<uint8_t> order;
  order.reserve(input.groups.size());
  // The first row of each group in the piece, and the row that follows each row
  // in its group.
  constexpr uint8_t kNone = 0xff;
  static_assert(kTokensPerChunk <= kNone);
  std::vector<uint8_t> first(static_cast<size_t>(num_groups()), kNone);
  std::array<uint8_t, kTokensPerChunk> next;
  for (const Piece& piece : pieces) {
    for (auto row = static_cast<size_t>(piece.row_end - piece.row_begin);
         row-- > 0;) {
      const int32_t group =
          input.groups[static_cast<size_t>(piece.row_begin) + row];
      next[row] = std::exchange(first[static_cast<size_t>(group)],
                                static_cast<uint8_t>(row));
    }
    for (const int32_t group : piece.groups) {
      uint8_t row = std::exchange(first[static_cast<size_t>(group)], kNone);
      for (; row != kNone; row = next[row]) order.push_back(row);
    }
  }
  return order;
}

absl::Status ChunkedSums::Add(const ChunkedRows& input,
                              base::ThreadPool& pool) {
  MOE_CHECK(input.rows.cols + (kind_->is_grouped ? 1 : 0) == num_columns());
  MOE_RETURN_IF_ERROR(status_);
  if (input.rows.rows == 0) return absl::OkStatus();
  MOE_RETURN_IF_ERROR(AddTokens(input));
  Call call = {input, TermOf(input), {}, CutIntoPieces(input)};
  if (kind_->is_grouped) call.order = OrderByGroup(input, call.pieces);
  return ForEachBlock(input, pool,
                      [&](int64_t begin, int64_t end, Problem& problem) {
                        AddBlock(call, begin, end, problem);
                      });
}

absl::Status ChunkedSums::Regroup(const ChunkedRows& input,
                                  absl::Span<const int32_t> old_groups,
                                  base::ThreadPool& pool) {
  MOE_CHECK(kind_->is_grouped && input.rows.cols + 1 == num_columns());
  MOE_CHECK(input.first_token % kTokensPerChunk == 0 && open_end_ < 0);
  MOE_RETURN_IF_ERROR(status_);
  const std::vector<Change> changes = FindChanges(input, old_groups);
  if (changes.empty()) return absl::OkStatus();
  const Call call = {input, TermOf(input), {}, {}};
  return ForEachBlock(
      input, pool, [&](int64_t begin, int64_t end, Problem& problem) {
        std::vector<double> common(static_cast<size_t>(end - begin));
        for (const Change& change : changes) {
          ApplyChange(call, change, begin, absl::MakeSpan(common), problem);
        }
      });
}

std::vector<ChunkedSums::Change> ChunkedSums::FindChanges(
    const ChunkedRows& input, absl::Span<const int32_t> old_groups) {
  std::vector<Change> changes;
  // The index of each group's change in the chunk, or -1.
  std::vector<int64_t> at(static_cast<size_t>(num_groups()), -1);
  const auto enter = [&](int64_t piece, int32_t group, int64_t difference) {
    record_.counts[static_cast<size_t>(group)] += difference;
    int64_t& change = at[static_cast<size_t>(group)];
    if (change >= 0) return;
    change = static_cast<int64_t>(changes.size());
    changes.emplace_back();
    changes.back().piece = piece;
    changes.back().group = group;
  };
  const auto change_of = [&](int32_t group) -> Change* {
    const int64_t change = at[static_cast<size_t>(group)];
    return change < 0 ? nullptr : &changes[static_cast<size_t>(change)];
  };
  for (int64_t begin = 0; begin < input.rows.rows; begin += kTokensPerChunk) {
    const int64_t end = std::min(begin + kTokensPerChunk, input.rows.rows);
    const auto count = static_cast<size_t>(end - begin);
    if (old_groups.subspan(static_cast<size_t>(begin), count) ==
        input.groups.subspan(static_cast<size_t>(begin), count)) {
      continue;
    }
    const size_t first_change = changes.size();
    for (auto t = static_cast<size_t>(begin); t < static_cast<size_t>(end);
         ++t) {
      if (old_groups[t] == input.groups[t]) continue;
      enter(begin / kTokensPerChunk, old_groups[t], -1);
      enter(begin / kTokensPerChunk, input.groups[t], 1);
    }
    for (int64_t row = 0; row < end - begin; ++row) {
      const auto t = static_cast<size_t>(begin + row);
      if (Change* const change = change_of(old_groups[t])) {
        change->old_rows.Add(row);
      }
      if (Change* const change = change_of(input.groups[t])) {
        change->new_rows.Add(row);
      }
    }
    for (size_t i = first_change; i < changes.size(); ++i) {
      at[static_cast<size_t>(changes[i].group)] = -1;
    }
  }
  return changes;
}

// Subtracts the chunk's sum over the old rows and adds that over the new rows.
// The two share their chain up to the first row in which they differ.
void ChunkedSums::ApplyChange(const Call& call, const Change& change,
                              int64_t begin, absl::Span<double> common,
                              Problem& problem) {
  const absl::Span<const uint8_t> old_rows = change.old_rows.Span();
  const absl::Span<const uint8_t> new_rows = change.new_rows.Span();
  const auto num_common =
      static_cast<size_t>(std::mismatch(old_rows.begin(), old_rows.end(),
                                        new_rows.begin(), new_rows.end())
                              .first -
                          old_rows.begin());
  const int64_t end = begin + static_cast<int64_t>(common.size());
  const auto add = [&](absl::Span<const uint8_t> rows) {
    AddRows(call, {change.group, change.piece * kTokensPerChunk, rows}, begin,
            end);
  };
  const absl::Span<double> open(OpenSums(change.group, 0) + begin,
                                common.size());
  const OverflowPlace place = {change.piece, change.group, /*part=*/0, begin};
  add(old_rows.first(num_common));
  std::copy(open.begin(), open.end(), common.begin());
  add(old_rows.subspan(num_common));
  for (double& sum : open) sum = -sum;
  CloseSums(place, open, problem);
  std::copy(common.begin(), common.end(), open.begin());
  add(new_rows.subspan(num_common));
  CloseSums(place, open, problem);
}

ChunkTerm ChunkedSums::TermOf(const ChunkedRows& input) const {
  return input.weights.empty() ? kind_->term : Weighted(kind_->term);
}

absl::Status ChunkedSums::ForEachBlock(
    const ChunkedRows& input, base::ThreadPool& pool,
    absl::FunctionRef<void(int64_t, int64_t, Problem&)> add) {
  open_.resize(static_cast<size_t>(num_groups() * parts() * num_columns()));
  const int64_t grain =
      ColumnsPerTask(num_columns(), num_groups() * parts(), pool.num_threads());
  std::vector<Problem> problems(
      static_cast<size_t>((num_columns() + grain - 1) / grain));
  pool.ParallelFor(0, num_columns(), grain, [&](int64_t begin, int64_t end) {
    add(begin, end, problems[static_cast<size_t>(begin / grain)]);
  });
  Problem problem;
  for (const Problem& other : problems) problem.Add(other);
  if (problem.has_non_finite) return Fail(FirstNonFinite(input));
  if (problem.overflow.has_value()) return Fail(Overflow(*problem.overflow));
  return absl::OkStatus();
}

void ChunkedSums::AddBlock(const Call& call, int64_t begin, int64_t end,
                           Problem& problem) {
  for (size_t i = 0; i < call.pieces.size(); ++i) {
    const Piece& piece = call.pieces[i];
    AddPiece(call, piece, begin, end);
    if (piece.closes) {
      CloseChunk(static_cast<int64_t>(i), piece.groups, begin, end, problem);
    }
  }
  CheckOpenChunk(begin, end, problem);
}

void ChunkedSums::AddPiece(const Call& call, const Piece& piece, int64_t begin,
                           int64_t end) {
  const auto num_rows = static_cast<size_t>(piece.row_end - piece.row_begin);
  if (!kind_->is_grouped) {
    std::array<uint8_t, kTokensPerChunk> rows;
    std::iota(rows.begin(), rows.end(), uint8_t{0});
    return AddRows(
        call, {0, piece.row_begin, absl::MakeConstSpan(rows).first(num_rows)},
        begin, end);
  }
  const auto at = static_cast<size_t>(piece.row_begin);
  const absl::Span<const uint8_t> rows =
      absl::MakeConstSpan(call.order).subspan(at, num_rows);
  const auto group_of = [&](size_t i) {
    return call.input.groups[at + rows[i]];
  };
  for (size_t first = 0; first < num_rows;) {
    // The rows of one group.
    size_t next = first + 1;
    while (next < num_rows && group_of(next) == group_of(first)) ++next;
    AddRows(
        call,
        {group_of(first), piece.row_begin, rows.subspan(first, next - first)},
        begin, end);
    first = next;
  }
}

void ChunkedSums::AddRows(const Call& call, const GroupRows& rows,
                          int64_t begin, int64_t end) {
  const ChunkedRows& input = call.input;
  std::array<const float*, kTokensPerChunk> data;
  std::array<float, kTokensPerChunk> weights;
  size_t count = 0;
  for (const uint8_t i : rows.rows) {
    const int64_t row = rows.first_row + i;
    data[count] = input.rows.RowData(row) + begin;
    weights[count] =
        input.weights.empty() ? 1.0f : input.weights[static_cast<size_t>(row)];
    ++count;
  }
  double* const sums = OpenSums(rows.group, 0);
  const int64_t num_cols = std::min(end, input.rows.cols) - begin;
  AddChunkRows(
      call.term,
      {data.data(), weights.data(), static_cast<int64_t>(count), num_cols},
      sums + begin, num_columns());
  if (end > input.rows.cols) {
    for (size_t i = 0; i < count; ++i) sums[end - 1] += weights[i];
  }
}

void ChunkedSums::CloseChunk(int64_t piece, absl::Span<const int32_t> groups,
                             int64_t begin, int64_t end, Problem& problem) {
  for (const int32_t group : groups) {
    for (int64_t part = 0; part < parts(); ++part) {
      CloseSums(
          {piece, group, part, begin},
          {OpenSums(group, part) + begin, static_cast<size_t>(end - begin)},
          problem);
    }
  }
}

void ChunkedSums::CloseSums(const OverflowPlace& place, absl::Span<double> open,
                            Problem& problem) {
  const int32_t bits = record_.fraction_bits[static_cast<size_t>(place.group)];
  const absl::Span<Int128> sums =
      absl::MakeSpan(record_.sums)
          .subspan(
              static_cast<size_t>(place.group * num_columns() + place.column));
  for (size_t done = 0; done < open.size(); ++done) {
    done += static_cast<size_t>(AddFixedPoints(
        open.subspan(done), bits, sums.subspan(done, open.size() - done)));
    if (done == open.size()) break;
    OverflowPlace here = place;
    here.column += static_cast<int64_t>(done);
    problem.Add(std::isfinite(open[done]) ? Problem{false, here}
                                          : Problem{true, std::nullopt});
  }
  // The next chunk starts from +0.
  std::fill(open.begin(), open.end(), 0.0);
}

// Looks for NaN and infinity now: when the chunk closes, the rows are gone.
void ChunkedSums::CheckOpenChunk(int64_t begin, int64_t end, Problem& problem) {
  for (const int32_t group : open_groups_) {
    const double* const open = OpenSums(group, 0);
    for (int64_t c = begin; c < end; ++c) {
      if (!std::isfinite(open[c])) {
        problem.Add({true, std::nullopt});
        return;
      }
    }
  }
}

absl::Status ChunkedSums::Finish() {
  MOE_RETURN_IF_ERROR(status_);
  if (open_end_ < 0) return absl::OkStatus();
  Problem problem;
  CloseChunk(/*piece=*/0, open_groups_, 0, num_columns(), problem);
  open_end_ = -1;
  open_groups_.clear();
  MOE_CHECK(!problem.has_non_finite);
  if (problem.overflow.has_value()) return Fail(Overflow(*problem.overflow));
  return absl::OkStatus();
}

absl::Status ChunkedSums::Merge(const ChunkedSums& other) {
  MOE_RETURN_IF_ERROR(status_);
  MOE_RETURN_IF_ERROR(other.status_);
  if (record_.kind != other.record_.kind ||
      num_columns() != other.num_columns() ||
      record_.fraction_bits != other.record_.fraction_bits) {
    return absl::InvalidArgumentError(absl::StrCat(
        "sums to merge: expected kind ", record_.kind, ", [", num_groups(),
        ", ", num_columns(), "] and the same fraction bits, found kind ",
        other.record_.kind, ", [", other.num_groups(), ", ",
        other.num_columns(), "]"));
  }
  if (!is_finished() || !other.is_finished()) {
    return absl::FailedPreconditionError(
        "sums to merge: expected closed chunks, found an open one; call "
        "Finish");
  }
  MOE_RETURN_IF_ERROR(record_.tokens.InsertAll(other.record_.tokens));
  for (size_t g = 0; g < record_.counts.size(); ++g) {
    record_.counts[g] += other.record_.counts[g];
  }
  for (size_t i = 0; i < record_.sums.size(); ++i) {
    if (!AddFixedPoint(other.record_.sums[i], record_.sums[i])) {
      const int64_t index = static_cast<int64_t>(i);
      return Fail(Overflow({/*piece=*/0, index / num_columns(), /*part=*/0,
                            index % num_columns()}));
    }
  }
  return absl::OkStatus();
}

std::string ChunkedSums::Serialize() const {
  MOE_CHECK(is_finished());
  return FormatSumsRecord(record_);
}

absl::StatusOr<ChunkedSums> ChunkedSums::Parse(
    absl::string_view bytes, absl::Span<const ChunkedSumsKind* const> kinds) {
  MOE_ASSIGN_OR_RETURN(SumsRecord record, ParseSumsRecord(bytes));
  for (const ChunkedSumsKind* const kind : kinds) {
    if (kind->id != record.kind) continue;
    MOE_RETURN_IF_ERROR(CheckCounts(record, kind->is_grouped));
    ChunkedSums sums(*kind, {}, 0);
    sums.record_ = std::move(record);
    return sums;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "malformed sums: expected kind ",
      absl::StrJoin(kinds, " or ",
                    [](std::string* out, const ChunkedSumsKind* kind) {
                      absl::StrAppend(out, kind->id);
                    }),
      ", found ", record.kind));
}

}  // namespace moe::kernels::internal
