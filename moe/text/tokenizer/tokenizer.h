// Text to token ids and back, with the checkpoint's own tokenizer: the first
// stage of the pipeline, between a dataset's lines and the model's embedding.
//
// The goal is identity, id for id, with the Hugging Face `tokenizers` package
// (tokenizer.json) and with the SentencePiece library (tokenizer.model). A
// tokenizer.json with a type that is not implemented fails to load, with the
// type's name. Not here: training, chat templates, offsets into the text,
// truncation and padding (a file's "truncation" and "padding" are for batches;
// like transformers, the tokenizer ignores them).

#ifndef MOE_TEXT_TOKENIZER_TOKENIZER_H_
#define MOE_TEXT_TOKENIZER_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace moe::text {

// Several threads may make const calls at once. Results are a function of the
// tokenizer's files and of the arguments alone.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // The ids of `text`, which may be any bytes: each maximal ill-formed part
  // counts as U+FFFD, as with Python's errors="replace". `add_special_tokens`
  // adds what the tokenizer's post-processor puts around a text (Llama: the
  // BOS). Special tokens in the text become their ids in either case.
  virtual absl::StatusOr<std::vector<int32_t>> Encode(
      absl::string_view text, bool add_special_tokens) const = 0;

  // The text of `ids`. Bytes that are not UTF-8 become U+FFFD.
  // `skip_special_tokens` leaves out special tokens. InvalidArgument if an id
  // lies outside [0, vocab_size()).
  virtual absl::StatusOr<std::string> Decode(
      absl::Span<const int32_t> ids, bool skip_special_tokens) const = 0;

  // The highest id + 1, added tokens included: the least number of rows that a
  // model's embedding must have.
  virtual int64_t vocab_size() const = 0;

  // The same without the added tokens. An added token may lie beyond the
  // embedding as long as no text has it.
  virtual int64_t base_vocab_size() const { return vocab_size(); }

  // The id of any token, special tokens included.
  virtual std::optional<int32_t> TokenToId(absl::string_view token) const = 0;

  // The tokens that mark the beginning and the end of a sequence, as named by
  // tokenizer_config.json, special_tokens_map.json or the SentencePiece model.
  virtual std::optional<int32_t> bos_id() const = 0;
  virtual std::optional<int32_t> eos_id() const = 0;

  // SHA-256, in hexadecimal, of all that the results above depend on: the
  // tokenizer's file and the values taken from the files beside it.
  virtual const std::string& digest() const = 0;
};

// Whether the BOS stands before a text, and the EOS after it. An unset value
// follows the tokenizer's files (text_ends.h).
struct TextEnds {
  std::optional<bool> add_bos;
  std::optional<bool> add_eos;
};

// The tokenizer of a checkpoint directory: tokenizer.json, else
// tokenizer.model; with tokenizer_config.json, special_tokens_map.json and
// added_tokens.json if they exist. NotFound if there is no tokenizer,
// InvalidArgument if a file is malformed or a token that `ends` asks for does
// not exist, ResourceExhausted if a file is too large, Unimplemented if it uses
// a feature that is not implemented; all with the file's path.
absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(
    const std::string& dir, const TextEnds& ends = {});

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_TOKENIZER_H_
