// Text to token ids and back, as the checkpoint's own tokenizer does it: the
// first stage of the pipeline, between a dataset's lines and the model's
// embedding.
//
// The bar is identity with the Hugging Face `tokenizers` package
// (tokenizer.json) and with the SentencePiece library (tokenizer.model), id for
// id. What of a tokenizer.json is not implemented is refused by its type's name
// when it is loaded, never skipped. Not here: training, chat templates,
// truncation and padding (a file's "truncation" and "padding" are for batches,
// and are passed over, as transformers does), offsets into the text.

#ifndef MOE_TEXT_TOKENIZER_TOKENIZER_H_
#define MOE_TEXT_TOKENIZER_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"

namespace moe {

// Const calls may be made by several threads at once; results are a function of
// the tokenizer's files and of the arguments alone.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // The ids of `text`, which may be any bytes: each maximal ill-formed part is
  // taken as U+FFFD, as Python's errors="replace" does. With
  // `add_special_tokens`, with what the tokenizer's post-processor puts around
  // a text (Llama: the BOS). Special tokens that stand in the text become their
  // ids in either case.
  virtual absl::StatusOr<std::vector<int32_t>> Encode(
      absl::string_view text, bool add_special_tokens) const = 0;

  // The text of `ids`. What the model made of bytes that are no UTF-8 comes
  // back as U+FFFD. With `skip_special_tokens`, special tokens are left out.
  // InvalidArgument if an id lies outside [0, vocab_size()).
  virtual absl::StatusOr<std::string> Decode(
      absl::Span<const int32_t> ids, bool skip_special_tokens) const = 0;

  // The highest id + 1, added tokens included: what a model's embedding must
  // have at least.
  virtual int64_t vocab_size() const = 0;

  // The same without the added tokens, which may lie beyond the embedding as
  // long as no text has them.
  virtual int64_t base_vocab_size() const { return vocab_size(); }

  // The id of any token, special ones by their name.
  virtual absl::optional<int32_t> TokenToId(absl::string_view token) const = 0;

  // The tokens that tokenizer_config.json (or special_tokens_map.json, or the
  // SentencePiece model) names as beginning and end of a sequence.
  virtual absl::optional<int32_t> bos_id() const = 0;
  virtual absl::optional<int32_t> eos_id() const = 0;

  // SHA-256, in hexadecimal, over all that decides what the above give: the
  // tokenizer's file and what is taken of those beside it.
  virtual const std::string& digest() const = 0;
};

// Whether the BOS stands before a text, and the EOS behind it. What is not set
// follows the tokenizer's files (text_ends.h).
struct TextEnds {
  std::optional<bool> add_bos;
  std::optional<bool> add_eos;
};

// The tokenizer of a checkpoint directory: tokenizer.json, else
// tokenizer.model; with tokenizer_config.json, special_tokens_map.json and
// added_tokens.json, where they are there. NotFound if there is no tokenizer,
// InvalidArgument if a file is malformed or a token that `ends` asks for is
// not there, ResourceExhausted if a file is too large, Unimplemented if it
// wants something that is not implemented; all with the file's path.
absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(
    const std::string& dir, const TextEnds& ends = {});

}  // namespace moe

#endif  // MOE_TEXT_TOKENIZER_TOKENIZER_H_
