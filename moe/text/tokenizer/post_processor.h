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

#include "absl/status/statusor.h"
#include "moe/text/tokenizer/json_node.h"

namespace moe::text {

// Where the ids of the text itself stand.
struct TextPlace {};
// The text, or the ids of special tokens.
using TemplatePiece = std::variant<TextPlace, std::vector<int32_t>>;

// Immutable; may be used by several threads at once.
class PostProcessor {
 public:
  explicit PostProcessor(std::vector<TemplatePiece> pieces)
      : pieces_(std::move(pieces)) {}

  // Only the text.
  static PostProcessor Identity() { return PostProcessor({TextPlace{}}); }

  const std::vector<TemplatePiece>& pieces() const { return pieces_; }

  // The special tokens before the first text and after the last one.
  std::vector<int32_t> IdsBefore() const;
  std::vector<int32_t> IdsBehind() const;

  // The ids that the template makes of a text's `ids`; without
  // `add_special_tokens`, the special tokens are left out.
  std::vector<int32_t> Run(std::vector<int32_t> ids,
                           bool add_special_tokens) const;

 private:
  std::vector<TemplatePiece> pieces_;
};

// Parses the "post_processor" of a tokenizer.json. The ids of special tokens
// that single texts get lie in [0, vocab_size). Refuses what the tokenizers
// package refuses, in the template for pairs too, which is not used here.
// Unimplemented for types other than those above.
absl::StatusOr<PostProcessor> ParsePostProcessor(const JsonNode& node,
                                                 int64_t vocab_size);

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_POST_PROCESSOR_H_
