// The post-processor of a tokenizer.json: the special tokens around a text.
//
// Implemented: TemplateProcessing for single texts, ByteLevel (which only moves
// offsets, and so does nothing here) and sequences of them.

#ifndef MOE_TEXT_TOKENIZER_POST_PROCESSOR_H_
#define MOE_TEXT_TOKENIZER_POST_PROCESSOR_H_

#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include "absl/types/span.h"

namespace moe {

// The place of the text's own ids.
struct TextPlace {};
// The text, or ids of special tokens.
using TemplatePiece = std::variant<TextPlace, std::vector<int32_t>>;

// Immutable; may be used by several threads at once.
class PostProcessor {
 public:
  // `pieces` say what follows what.
  explicit PostProcessor(std::vector<TemplatePiece> pieces)
      : pieces_(std::move(pieces)) {}

  // Only the text.
  static PostProcessor Identity() { return PostProcessor({TextPlace{}}); }

  const std::vector<TemplatePiece>& pieces() const { return pieces_; }

  // The special tokens before the first text and behind the last one.
  std::vector<int32_t> IdsBefore() const;
  std::vector<int32_t> IdsBehind() const;

  // The ids under the template; without `add_special_tokens`, only its texts.
  std::vector<int32_t> Run(std::vector<int32_t> ids,
                           bool add_special_tokens) const;

 private:
  std::vector<TemplatePiece> pieces_;
};

}  // namespace moe

#endif  // MOE_TEXT_TOKENIZER_POST_PROCESSOR_H_
