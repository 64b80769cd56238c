// The normalizer of a tokenizer.json: text to text, before it is cut into
// words.
//
// Implemented: NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Replace, Strip and
// sequences of them. Not here: BERT's, Precompiled, StripAccents, Nmt and
// ByteLevel, which no LLaMA-family file uses.

#ifndef MOE_TEXT_TOKENIZER_NORMALIZER_H_
#define MOE_TEXT_TOKENIZER_NORMALIZER_H_

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/tokenizer/pattern.h"
#include "moe/text/tokenizer/regex.h"
#include "moe/text/tokenizer/unicode.h"

namespace moe {

struct LowercaseStep {};
struct PrependStep {
  std::string prefix;
};
struct ReplaceStep {
  Pattern pattern;
  std::string content;
};
struct StripStep {
  bool left;
  bool right;
};
using NormalizerStep = std::variant<NormalForm, LowercaseStep, PrependStep,
                                    ReplaceStep, StripStep>;

// Every match of the pattern by the content. ResourceExhausted where the result
// passes `max_bytes`, or matching its limit.
absl::StatusOr<std::string> ReplaceMatches(const ReplaceStep& step,
                                           absl::string_view text,
                                           size_t max_bytes,
                                           RegexScratch& scratch);

// How much a text of `size` bytes may become: steps of replacements can make it
// grow without bound, where no real file makes it more than some times as long.
size_t MaxGrownBytes(size_t size);

// Immutable; may be used by several threads at once.
class Normalizer {
 public:
  explicit Normalizer(std::vector<NormalizerStep> steps)
      : steps_(std::move(steps)) {}

  // Nothing to do.
  bool IsIdentity() const { return steps_.empty(); }
  // Whether a text that is not stripped at its beginning still begins with what
  // came from its first character.
  bool KeepsBeginning() const;

  // The steps in order. ResourceExhausted where a regular expression passes its
  // limit, or the text grows over MaxGrownBytes.
  absl::StatusOr<std::string> Run(absl::string_view text,
                                  RegexScratch& scratch) const;

 private:
  std::vector<NormalizerStep> steps_;
};

}  // namespace moe

#endif  // MOE_TEXT_TOKENIZER_NORMALIZER_H_
