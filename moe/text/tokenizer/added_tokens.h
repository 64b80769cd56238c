// Added tokens: those that are looked for in the text before anything else is.
//
// Special tokens are such; a file may add others. A token that is "normalized"
// is looked for in the normalized text, in its own normalized form; the others
// in the text as it is given.

#ifndef MOE_TEXT_TOKENIZER_ADDED_TOKENS_H_
#define MOE_TEXT_TOKENIZER_ADDED_TOKENS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/text/tokenizer/regex.h"

namespace moe {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool single_word = false;  // Not where a word character is beside it.
  bool lstrip = false;       // Takes the white space before it.
  bool rstrip = false;       // Takes the white space after it.
  bool normalized = false;
  bool special = false;
};

// All but the id and the content is the same.
bool SameFlags(const AddedToken& a, const AddedToken& b);

// Bounds the added tokens of one tokenizer, as each byte of one is a node of
// the trie that is looked through.
class AddedTokenBudget {
 public:
  // The longest in use have some hundred bytes.
  static constexpr size_t kMaxBytesOfOne = 4096;
  // Eight times the largest number in use, 65,536 tokens for sounds beside
  // those of Llama 3.
  static constexpr size_t kMaxTokens = size_t{1} << 19;
  // 16 for each of the most tokens; the trie of so many takes some 500 MiB.
  static constexpr size_t kMaxBytes = size_t{16} << 19;

  // ResourceExhausted with the token's beginning if it is too long, or one too
  // many.
  absl::Status Spend(absl::string_view content);

 private:
  size_t num_tokens_ = 0;
  size_t num_bytes_ = 0;
};

// A stretch of text: a token's, or between tokens.
struct TextPiece {
  size_t begin;
  size_t end;
  std::optional<int32_t> id;
};

// Finds a set of tokens in texts. Immutable; may be used by several threads at
// once.
class AddedTokenMatcher {
 public:
  // What to look for, and the token that it stands for: `forms[i]` is
  // tokens[i].content, or what the normalizer makes of it. Forms are not empty
  // and occur once.
  AddedTokenMatcher(absl::Span<const AddedToken> tokens,
                    absl::Span<const std::string> forms);

  bool IsEmpty() const { return tokens_.empty(); }

  // Cuts the well-formed text into pieces, none of them empty: at each place,
  // from the left, the longest form that is there. A match that its token's
  // flags rule out is passed over as a whole. Time is that of the text's length
  // times at most the longest form's.
  std::vector<TextPiece> Split(absl::string_view text) const;

 private:
  // A trie, its nodes' children in lists.
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
  std::optional<Regex> word_character_;  // Where a token wants it.
};

}  // namespace moe

#endif  // MOE_TEXT_TOKENIZER_ADDED_TOKENS_H_
