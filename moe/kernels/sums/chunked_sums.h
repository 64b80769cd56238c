// Sums over tokens that do not depend on how the work was shared: what
// FeatureSums, Moments and CentroidSums have in common. Not for use elsewhere.
//
// Inside a chunk of 128 tokens, a sum is a chain of double additions in
// ascending order of the tokens, from +0. At the chunk's end it is rounded to a
// multiple of 2^-fraction_bits and added to an integer of 128 bits. Chunks are
// cut at the multiples of 128 of the tokens' numbers in the whole data set. So
// the integers depend on the tokens alone: not on how they come in batches, on
// threads, on the SIMD target, or on the number of workers, as long as no chunk
// is shared by two.
//
// Sums are made [num_groups, num_columns]. A token belongs to one group, or to
// all.

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

namespace moe::internal {

// What differs between the classes. Objects of it are constants.
struct ChunkedSumsKind {
  uint32_t id;  // In SumsRecord.
  // Without weights; for kMoments there are two groups, to both of which every
  // token belongs, and two doubles a sum inside a chunk, else one.
  ChunkTerm term;
  // Whether a token belongs to one group only. There is then one more column
  // than features, which sums the weights.
  bool is_grouped;
  // What a sum is called in messages.
  std::string (*name)(int64_t group, int64_t column, int64_t num_columns);
};

// "feature 7".
std::string FeatureName(int64_t feature);

struct ChunkedRows {
  int64_t first_token = 0;
  MatrixView<const float> rows;      // [num_tokens, num_features]
  absl::Span<const int32_t> groups;  // [num_tokens] if is_grouped; checked.
  absl::Span<const float> weights;   // [num_tokens], or empty for 1; finite.
};

class ChunkedSums {
 public:
  // One number of fraction bits a group.
  ChunkedSums(const ChunkedSumsKind& kind, std::vector<int32_t> fraction_bits,
              int64_t num_columns);

  // InvalidArgument, and nothing changed, if the tokens are neither those that
  // follow the last call's nor of new chunks; of no use afterwards, with the
  // same error from then on, if a value is NaN or infinite (InvalidArgument) or
  // a sum leaves its range (OutOfRange).
  absl::Status Add(const ChunkedRows& input, ThreadPool& pool);
  // For whole chunks that are summed here, or in an object that this one will
  // be merged with, and closed: makes the sums those of `input`, where the
  // tokens were in `old_groups` before. Errors as of Add.
  absl::Status Regroup(const ChunkedRows& input,
                       absl::Span<const int32_t> old_groups, ThreadPool& pool);
  // Closes the open chunk. More chunks may be added afterwards.
  absl::Status Finish();
  absl::Status Merge(const ChunkedSums& other);

  // What every accessor of a result asks first: no open chunk, no failure.
  bool is_finished() const { return status_.ok() && open_end_ < 0; }

  int64_t num_groups() const { return record_.num_groups(); }
  int64_t num_columns() const { return record_.num_columns; }
  int64_t num_tokens() const { return record_.tokens.size(); }
  const ChunkedSumsKind& kind() const { return *kind_; }
  // Its sums are results only if is_finished().
  const SumsRecord& record() const { return record_; }
  Int128 sum(int64_t group, int64_t column) const;
  double SumAsDouble(int64_t group, int64_t column) const;

  std::string Serialize() const;
  // Of one of `kinds`; else InvalidArgument.
  static absl::StatusOr<ChunkedSums> Parse(
      absl::string_view bytes, absl::Span<const ChunkedSumsKind* const> kinds);

 private:
  // Tokens of a call that are in the same chunk.
  struct Piece {
    int64_t row_begin;
    int64_t row_end;
    bool closes;  // The chunk's last.
    // If so, the groups that have a token in the chunk.
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
  // What went wrong: of overflows the first, in the order of the fields above,
  // which is the same however columns are cut into blocks.
  struct Problem {
    bool has_non_finite = false;
    std::optional<OverflowPlace> overflow;

    void Add(const Problem& other);
  };
  struct Call;
  // Rows of a chunk, counted from its first here, of one group; ascending.
  struct GroupRows {
    int64_t group;
    int64_t first_row;
    absl::Span<const uint8_t> rows;
  };
  // A group of a chunk that has lost or won tokens: its rows then and now.
  struct Change;

  int parts() const { return kind_->term == ChunkTerm::kMoments ? 2 : 1; }
  double* OpenSums(int64_t group, int64_t part);

  // Of a call, before its blocks of columns.
  absl::Status AddTokens(const ChunkedRows& input);
  std::vector<Piece> CutIntoPieces(const ChunkedRows& input);
  std::vector<uint8_t> OrderByGroup(const ChunkedRows& input,
                                    absl::Span<const Piece> pieces) const;
  std::vector<int32_t> AllGroups() const;
  ChunkTerm TermOf(const ChunkedRows& input) const;
  // Enters them in the counts.
  std::vector<Change> FindChanges(const ChunkedRows& input,
                                  absl::Span<const int32_t> old_groups);
  // Runs `add` for blocks of columns on the threads of the pool.
  absl::Status ForEachBlock(
      const ChunkedRows& input, ThreadPool& pool,
      absl::FunctionRef<void(int64_t, int64_t, Problem&)> add);

  // The following run for a block of columns, [begin, end).
  void AddBlock(const Call& call, int64_t begin, int64_t end, Problem& problem);
  void AddPiece(const Call& call, const Piece& piece, int64_t begin,
                int64_t end);
  void AddRows(const Call& call, const GroupRows& rows, int64_t begin,
               int64_t end);
  // `common` is [end - begin], for its own use.
  void ApplyChange(const Call& call, const Change& change, int64_t begin,
                   absl::Span<double> common, Problem& problem);
  void CloseChunk(int64_t piece, absl::Span<const int32_t> groups,
                  int64_t begin, int64_t end, Problem& problem);
  // To the integers, and +0 instead.
  void CloseSums(const OverflowPlace& place, absl::Span<double> open,
                 Problem& problem);
  void CheckOpenChunk(int64_t begin, int64_t end, Problem& problem);

  absl::Status Overflow(const OverflowPlace& place) const;
  absl::Status Fail(absl::Status status);

  const ChunkedSumsKind* kind_;
  SumsRecord record_;
  absl::Status status_;
  // The chunk that the last call left open: the token that would come next, or
  // -1 if there is none; the groups that have tokens in it; the sums so far,
  // [num_groups, parts, num_columns], +0 for groups that have none.
  int64_t open_end_ = -1;
  std::vector<int32_t> open_groups_;
  std::vector<double> open_;
};

}  // namespace moe::internal

#endif  // MOE_KERNELS_SUMS_CHUNKED_SUMS_H_
