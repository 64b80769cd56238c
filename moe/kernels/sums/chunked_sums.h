// Sums over tokens that do not depend on how the work was shared: what
// FeatureSums, Moments and CentroidSums have in common. Not for use elsewhere.
//
// feature_sums.h describes the arithmetic. The sums are [num_groups,
// num_columns]. A token belongs to one group or to all.

#ifndef MOE_KERNELS_SUMS_CHUNKED_SUMS_H_
#define MOE_KERNELS_SUMS_CHUNKED_SUMS_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/sums/chunk_kernels.h"
#include "moe/kernels/sums/sums_record.h"
#include "moe/kernels/sums/wide_integer.h"

namespace moe::kernels::internal {

// What differs between the classes. Its objects are constants.
struct ChunkedSumsKind {
  uint32_t id;  // In SumsRecord.
  // The term without weights. kMoments has two groups, to both of which every
  // token belongs, and two doubles for a sum inside a chunk; others have one.
  ChunkTerm term;
  // Whether a token belongs to one group only. If so, there is one more column
  // than features. It sums the weights.
  bool is_grouped;
  // The name of a sum in messages.
  std::string (*name)(int64_t group, int64_t column, int64_t num_columns);
};

// "feature 7".
std::string FeatureName(int64_t feature);

struct ChunkedRows {
  int64_t first_token = 0;
  base::MatrixView<const float> rows;  // [num_tokens, num_features]
  absl::Span<const int32_t> groups;    // [num_tokens] if is_grouped; checked.
  absl::Span<const float> weights;     // [num_tokens], or empty for 1; finite.
};

class ChunkedSums {
 public:
  // One number of fraction bits a group.
  ChunkedSums(const ChunkedSumsKind& kind, std::vector<int32_t> fraction_bits,
              int64_t num_columns);

  // InvalidArgument, without a change, if the tokens neither follow those of
  // the last call nor are of new chunks. InvalidArgument if a value is NaN or
  // infinite, and OutOfRange if a sum leaves its range: the object is then not
  // valid, and every later call returns the same error.
  absl::Status Add(const ChunkedRows& input, base::ThreadPool& pool);
  // Moves tokens from `old_groups` to those of `input`. The tokens must be
  // whole chunks that were summed and closed, here or in an object that this
  // one will be merged with. Errors as for Add.
  absl::Status Regroup(const ChunkedRows& input,
                       absl::Span<const int32_t> old_groups,
                       base::ThreadPool& pool);
  // Closes the open chunk. More chunks may be added after it.
  absl::Status Finish();
  absl::Status Merge(const ChunkedSums& other);

  // No chunk is open and nothing has failed. Every accessor of a result checks
  // this first.
  bool is_finished() const { return status_.ok() && open_end_ < 0; }

  int64_t num_groups() const { return record_.num_groups(); }
  int64_t num_columns() const { return record_.num_columns; }
  int64_t num_tokens() const { return record_.tokens.size(); }
  const ChunkedSumsKind& kind() const { return *kind_; }
  // The sums in it are results only if is_finished().
  const SumsRecord& record() const { return record_; }
  Int128 sum(int64_t group, int64_t column) const;
  double SumAsDouble(int64_t group, int64_t column) const;

  std::string Serialize() const;
  // InvalidArgument if the kind is not one of `kinds`.
  static absl::StatusOr<ChunkedSums> Parse(
      absl::string_view bytes, absl::Span<const ChunkedSumsKind* const> kinds);

 private:
  // The tokens of a call that are in the same chunk.
  struct Piece {
    int64_t row_begin;
    int64_t row_end;
    bool closes;  // Whether it is the last of its chunk.
    // If `closes`, the groups that have a token in the chunk.
    std::vector<int32_t> groups;
  };
  struct OverflowPlace {
    int64_t piece;
    int64_t group;
    int64_t part;
    int64_t column;
    friend auto operator<=>(const OverflowPlace& a,
                            const OverflowPlace& b) = default;
  };
  // What went wrong. `overflow` is the first in the order of its fields, which
  // is the same however the columns are cut into blocks.
  struct Problem {
    bool has_non_finite = false;
    std::optional<OverflowPlace> overflow;

    void Add(const Problem& other);
  };
  struct Call;
  // The rows of a chunk that are in one group, ascending, counted from the
  // first row of the chunk in this call.
  struct GroupRows {
    int64_t group;
    int64_t first_row;
    absl::Span<const uint8_t> rows;
  };
  // A group of a chunk that has lost or gained tokens: its old and new rows.
  struct Change;

  int parts() const { return kind_->term == ChunkTerm::kMoments ? 2 : 1; }
  double* OpenSums(int64_t group, int64_t part);

  // These run once for a call, before its blocks of columns.
  absl::Status AddTokens(const ChunkedRows& input);
  std::vector<Piece> CutIntoPieces(const ChunkedRows& input);
  std::vector<uint8_t> OrderByGroup(const ChunkedRows& input,
                                    absl::Span<const Piece> pieces) const;
  std::vector<int32_t> AllGroups() const;
  ChunkTerm TermOf(const ChunkedRows& input) const;
  // Updates the counts, too.
  std::vector<Change> FindChanges(const ChunkedRows& input,
                                  absl::Span<const int32_t> old_groups);
  // Runs `add` for blocks of columns on the threads of the pool.
  absl::Status ForEachBlock(
      const ChunkedRows& input, base::ThreadPool& pool,
      absl::FunctionRef<void(int64_t, int64_t, Problem&)> add);

  // These run for a block of columns, [begin, end).
  void AddBlock(const Call& call, int64_t begin, int64_t end, Problem& problem);
  void AddPiece(const Call& call, const Piece& piece, int64_t begin,
                int64_t end);
  void AddRows(const Call& call, const GroupRows& rows, int64_t begin,
               int64_t end);
  // `common` is a buffer of end - begin elements.
  void ApplyChange(const Call& call, const Change& change, int64_t begin,
                   absl::Span<double> common, Problem& problem);
  void CloseChunk(int64_t piece, absl::Span<const int32_t> groups,
                  int64_t begin, int64_t end, Problem& problem);
  // Adds the doubles to the integers and sets them to +0.
  void CloseSums(const OverflowPlace& place, absl::Span<double> open,
                 Problem& problem);
  void CheckOpenChunk(int64_t begin, int64_t end, Problem& problem);

  absl::Status Overflow(const OverflowPlace& place) const;
  absl::Status Fail(absl::Status status);

  const ChunkedSumsKind* kind_;
  SumsRecord record_;
  absl::Status status_;
  // The chunk that the last call left open: the token that would come next, or
  // -1 if no chunk is open; the groups with tokens in it; the sums so far,
  // [num_groups, parts, num_columns], +0 for groups without tokens.
  int64_t open_end_ = -1;
  std::vector<int32_t> open_groups_;
  std::vector<double> open_;
};

}  // namespace moe::kernels::internal

#endif  // MOE_KERNELS_SUMS_CHUNKED_SUMS_H_
