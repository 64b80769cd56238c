// The decoder of a tokenizer.json: tokens back to text.
//
// Implemented: ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Strip and
// sequences of them. Not here: BPEDecoder, CTC and WordPiece, which no
// LLaMA-family file uses.

#ifndef MOE_TEXT_TOKENIZER_DECODER_H_
#define MOE_TEXT_TOKENIZER_DECODER_H_

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "moe/text/tokenizer/normalizer.h"
#include "moe/text/tokenizer/pattern.h"

namespace moe::text {

// A run of tokens <0xNN> becomes the text of its bytes, or a U+FFFD for each of
// them if they are not UTF-8.
struct ByteFallbackDecoder {};
// Tokens in the byte alphabet become bytes, and others stay as they are. All
// become one text, with U+FFFD for its ill-formed parts.
struct ByteLevelDecoder {};
// All tokens become one.
struct FuseDecoder {};
// The mark becomes a space, or nothing in the first token if the scheme
// prepends.
struct MetaspaceDecoder {
  std::string replacement;
  bool prepends;
};
// Removes at most `start` of a character from the beginning of each token, and
// `stop` from its end.
struct StripDecoder {
  std::string character;
  size_t start;
  size_t stop;
};
using DecoderStep =
    std::variant<ByteFallbackDecoder, ByteLevelDecoder, FuseDecoder,
                 MetaspaceDecoder, ReplaceStep, StripDecoder>;

// Immutable; may be used by several threads at once.
class Decoder {
 public:
  explicit Decoder(std::vector<DecoderStep> steps) : steps_(std::move(steps)) {}

  // The text of well-formed tokens. ResourceExhausted if a regular expression
  // passes its limit or the text grows over MaxGrownBytes.
  absl::StatusOr<std::string> Run(std::vector<std::string> tokens,
                                  RegexScratch& scratch) const;

 private:
  std::vector<DecoderStep> steps_;
};

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_DECODER_H_
