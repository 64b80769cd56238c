// The normalizer of a tokenizer.json: changes a text before the pre-tokenizer
// cuts it into words.
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
#include "moe/text/tokenizer/unicode.h"

namespace moe::text {

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

// Replaces every match of the pattern by the content. ResourceExhausted if the
// result passes `max_bytes`, or the matching its limit.
absl::StatusOr<std::string> ReplaceMatches(const ReplaceStep& step,
                                           absl::string_view text,
                                           size_t max_bytes,
                                           RegexScratch& scratch);

// The limit on the result for a text of `size` bytes. Replacements can make a
// text grow without bound; no real file makes it more than a few times as long.
size_t MaxGrownBytes(size_t size);

// Immutable; may be used by several threads at once.
class Normalizer {
 public:
  explicit Normalizer(std::vector<NormalizerStep> steps)
      : steps_(std::move(steps)) {}

  bool IsIdentity() const { return steps_.empty(); }
  // Whether the result begins with what its first character became.
  bool KeepsBeginning() const;

  // Runs the steps in order. ResourceExhausted if a regular expression passes
  // its limit, or the text grows over MaxGrownBytes.
  absl::StatusOr<std::string> Run(absl::string_view text,
                                  RegexScratch& scratch) const;

 private:
  std::vector<NormalizerStep> steps_;
};

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_NORMALIZER_H_
