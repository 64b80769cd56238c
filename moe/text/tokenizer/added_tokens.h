// Added tokens: a tokenizer looks for them in a text before it does anything
// else.
//
// All special tokens are added tokens; a file may have others. A "normalized"
// token is looked for by its normalized form in the normalized text, any other
// token in the text as it is given.

#ifndef MOE_TEXT_TOKENIZER_ADDED_TOKENS_H_
#define MOE_TEXT_TOKENIZER_ADDED_TOKENS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/text/tokenizer/pattern.h"

namespace moe::text {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool single_word = false;  // Only without a word character beside it.
  bool lstrip = false;       // Takes the white space before it.
  bool rstrip = false;       // Takes the white space after it.
  bool normalized = false;
  bool special = false;
};

// Whether the tokens are alike but for id and content.
bool SameFlags(const AddedToken& a, const AddedToken& b);

// Bounds the added tokens of one tokenizer: each of their bytes is a node of a
// trie.
class AddedTokenBudget {
 public:
  // The longest in use have some hundred bytes.
  static constexpr size_t kMaxBytesOfOne = 4096;
  // Eight times the largest number in use, 65,536 tokens for sounds beside
  // those of Llama 3.
  static constexpr size_t kMaxTokens = size_t{1} << 19;
  // 16 for each of the most tokens; the trie of so many takes some 500 MiB.
  static constexpr size_t kMaxBytes = size_t{16} << 19;

  // ResourceExhausted, with the token's beginning, if it is too long or one too
  // many.
  absl::Status Spend(absl::string_view content);

 private:
  size_t num_tokens_ = 0;
  size_t num_bytes_ = 0;
};

// A part of a text: an added token, or what stands between two.
struct TextPiece {
  size_t begin;
  size_t end;
  std::optional<int32_t> id;
};

// Finds a set of tokens in texts. Immutable; may be used by several threads at
// once.
class AddedTokenMatcher {
 public:
  // Finds nothing.
  AddedTokenMatcher() : AddedTokenMatcher({}, {}) {}
  // Finds `forms[i]` as tokens[i]: its content, or what the normalizer makes of
  // it. The forms are not empty and differ from each other.
  AddedTokenMatcher(absl::Span<const AddedToken> tokens,
                    absl::Span<const std::string> forms);

  bool IsEmpty() const { return tokens_.empty(); }

  // Cuts the well-formed text into pieces that are not empty. Takes the longest
  // form at each place, from the left, and passes over the whole of a match
  // that its token's flags rule out. The cost is at most the text's length
  // times that of the longest form.
  std::vector<TextPiece> Split(absl::string_view text) const;

  // Appends the ids of the tokens in the text to `ids`, and between them calls
  // `encode(piece, is_first)` for each piece without one. `is_first`: the piece
  // is the text's beginning. The first error of `encode` ends it.
  absl::Status Encode(
      absl::string_view text, std::vector<int32_t>* ids,
      absl::FunctionRef<absl::Status(absl::string_view, bool)> encode) const;

 private:
  // A node of the trie.
  struct Node {
    int32_t token = -1;  // Index of the token whose form ends here.
    std::vector<std::pair<uint8_t, int32_t>> children;
  };
  struct Match {
    size_t begin;
    size_t end;
    int32_t token;
  };

  std::optional<Match> FindFrom(absl::string_view text, size_t position) const;
  bool IsAllowed(const AddedToken& token, absl::string_view text, size_t begin,
                 size_t end) const;
  bool IsWordCharacter(absl::string_view character) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_;
  // The child of the root for each first byte, or -1.
  std::array<int32_t, 256> first_;
  std::optional<char> only_first_byte_;
  std::optional<Pattern> word_character_;  // If a token is a single word.
};

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_ADDED_TOKENS_H_
