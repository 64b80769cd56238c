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
#include "moe/text/tokenizer/regex.h"

namespace moe {

// Runs of tokens <0xNN> become the text of their bytes; U+FFFD for each of them
// if they are not UTF-8.
struct ByteFallbackDecoder {};
// Tokens in the byte alphabet become bytes, others stay as they are; all become
// one text, in which what is ill-formed is U+FFFD.
struct ByteLevelDecoder {};
// All tokens become one.
struct FuseDecoder {};
// The mark becomes a space, and nothing in the first token where the scheme
// prepends.
struct MetaspaceDecoder {
  std::string replacement;
  bool prepends;
};
// At most so many of a character go from each token's beginning and end.
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

  // The text of well-formed tokens. ResourceExhausted where a regular
  // expression passes its limit.
  absl::StatusOr<std::string> Run(std::vector<std::string> tokens,
                                  RegexScratch& scratch) const;

 private:
  std::vector<DecoderStep> steps_;
};

}  // namespace moe

#endif  // MOE_TEXT_TOKENIZER_DECODER_H_
