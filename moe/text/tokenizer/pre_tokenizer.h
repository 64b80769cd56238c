// The pre-tokenizer of a tokenizer.json: cuts a text into the words that BPE
// works on.
//
// Implemented: ByteLevel, Digits, Metaspace, Split, Whitespace, WhitespaceSplit
// and sequences of them. If ByteLevel is the last step, words stay bytes, as
// BpeModel takes them, instead of text in the byte alphabet.

#ifndef MOE_TEXT_TOKENIZER_PRE_TOKENIZER_H_
#define MOE_TEXT_TOKENIZER_PRE_TOKENIZER_H_

#include <cstddef>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/tokenizer/pattern.h"

namespace moe::text {

// What happens to the matches when a text is split at them.
enum class SplitBehavior {
  kRemoved,             // They are dropped.
  kIsolated,            // Each is a word.
  kContiguous,          // Each run of them is a word.
  kMergedWithPrevious,  // Each ends the word before it.
  kMergedWithNext,      // Each begins the word after it.
};

struct SplitStep {
  Pattern pattern;
  SplitBehavior behavior;
  bool invert;  // Split at the text between the matches.
};
// Splits at characters of category N: each is a word, or each run of them.
struct DigitsStep {
  bool individual;
};
// Splits at white space, which is dropped.
struct WhitespaceSplitStep {};
// Puts a space before a text that does not begin with one.
struct PrefixSpaceStep {};
// Writes the bytes as characters of the byte alphabet.
struct ByteAlphabetStep {};

enum class PrependScheme { kAlways, kFirst, kNever };
// Replaces spaces by `replacement`, and prepends it if the scheme says so. With
// `split`, each replacement begins a word.
struct MetaspaceStep {
  std::string replacement;
  PrependScheme prepend_scheme;
  bool split;
};

using PreTokenizerStep =
    std::variant<SplitStep, DigitsStep, WhitespaceSplitStep, PrefixSpaceStep,
                 ByteAlphabetStep, MetaspaceStep>;

// The regular expression of ByteLevel, from GPT-2, in Oniguruma's syntax.
extern const char kGpt2Regex[];

// Immutable; may be used by several threads at once.
class PreTokenizer {
 public:
  explicit PreTokenizer(std::vector<PreTokenizerStep> steps)
      : steps_(std::move(steps)) {}

  // Whether a word depends on whether its text is the first of the input.
  bool DependsOnPosition() const;
  // Whether a Metaspace of the scheme "first" follows a step that changes
  // characters, so that the first text can no longer be told.
  bool LosesPosition() const;

  // Calls `use` for each word of the text; no word is empty. `is_first`: the
  // text is at the beginning of the input. A word is valid during the call
  // only. ResourceExhausted if a regular expression passes its limit.
  absl::Status ForEachWord(
      absl::string_view text, bool is_first, RegexScratch& scratch,
      absl::FunctionRef<void(absl::string_view)> use) const;

 private:
  struct Run;

  std::vector<PreTokenizerStep> steps_;
};

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_PRE_TOKENIZER_H_
