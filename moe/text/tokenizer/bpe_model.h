// Byte-pair encoding: turns a word into the ids of its tokens.
//
// A word starts as its characters (or bytes). Each step looks at all neighbours
// that a merge joins, and joins the pair whose merge comes first in the file,
// the leftmost first (Sennrich et al. 2016, section 3.2). Not here: dropout,
// and the prefixes of continued and suffixes of ended words, which no
// LLaMA-family file uses.

#ifndef MOE_TEXT_TOKENIZER_BPE_MODEL_H_
#define MOE_TEXT_TOKENIZER_BPE_MODEL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe::text {

struct BpeSpec {
  // Tokens and their ids, in any order. Ids need not be contiguous.
  std::vector<std::pair<std::string, int32_t>> vocab;
  // Pairs of tokens, in the order in which they are joined.
  std::vector<std::pair<std::string, std::string>> merges;
  // The token for a character that is not in the vocabulary. Without one, such
  // a character is dropped.
  std::optional<std::string> unk_token;
  bool fuse_unk = false;       // One unk_token for a run of such characters.
  bool byte_fallback = false;  // Unknown characters become <0xNN> tokens.
  bool ignore_merges = false;  // A word that is a token is that token.
  // Words are bytes, and tokens are written in the byte alphabet.
  bool words_are_bytes = false;
};

// The memory for encoding a word; for one thread at a time.
struct BpeScratch {
  struct Symbol {
    int32_t id;
    int32_t previous;
    int32_t next;  // -1: last; -2: joined with the symbol before.
  };
  struct Candidate {
    int32_t rank;
    int32_t position;
    int32_t new_id;
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
  std::vector<int32_t> ids;
};

// Immutable; may be used by several threads at once.
class BpeModel {
 public:
  // InvalidArgument, with the token, if an id is out of range or repeated, a
  // merge is repeated, or a merge or unk_token names a token that is not in the
  // vocabulary.
  static absl::StatusOr<BpeModel> Create(const BpeSpec& spec);

  // Appends the ids of a word to `ids`, in O(n log n) time for n characters,
  // n < 2^31.
  void Encode(absl::string_view word, BpeScratch& scratch,
              std::vector<int32_t>* ids) const;

  std::optional<int32_t> TokenToId(absl::string_view token) const;
  // Tokens by id, as the file writes them; empty if an id is not used.
  const std::vector<std::optional<std::string>>& tokens() const {
    return tokens_;
  }
  size_t num_tokens() const { return ids_.size(); }

 private:
  struct Merge {
    int32_t rank;
    int32_t new_id;
  };
  // The ids that a character starts as.
  struct Start {
    std::array<int32_t, 4> ids;
    int8_t num_ids;
    bool known;  // The vocabulary has the character itself.
  };

  explicit BpeModel(const BpeSpec& spec);
  absl::Status AddVocab(
      const std::vector<std::pair<std::string, int32_t>>& vocab);
  absl::Status AddMerges(
      const std::vector<std::pair<std::string, std::string>>& merges);
  void FillStarts();

  Start StartOf(absl::string_view character) const;
  void AppendStarts(absl::string_view word, std::vector<int32_t>* ids) const;
  const Merge* FindMerge(int32_t left, int32_t right) const;
  void MergeFew(std::vector<int32_t>* ids) const;
  void MergeMany(BpeScratch& scratch) const;
  void PushCandidate(BpeScratch& scratch, int32_t left) const;
  void Join(BpeScratch& scratch, int32_t position, int32_t new_id) const;

  bool fuse_unk_;
  bool byte_fallback_;
  bool ignore_merges_;
  bool words_are_bytes_;
  std::optional<int32_t> unk_id_;
  absl::flat_hash_map<std::string, int32_t> ids_;
  std::vector<std::optional<std::string>> tokens_;
  // If words are bytes: the id of each token, written as bytes.
  absl::flat_hash_map<std::string, int32_t> byte_words_;
  // Keyed by left id << 32 | right id.
  absl::flat_hash_map<uint64_t, Merge> merges_;
  // The start of every byte if words are bytes, else of the ASCII characters.
  std::array<Start, 256> starts_;
};

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_BPE_MODEL_H_
