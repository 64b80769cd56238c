#include "moe/text/dataset/embedding_rows.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe::text {

absl::Status CheckVocabularyFits(int64_t vocab_size, int64_t embedding_rows) {
  if (vocab_size <= embedding_rows) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the tokenizer: expected ids below ", embedding_rows,
      ", the rows of the model's embedding (vocab_size), found ids up to ",
      vocab_size - 1, "; use the tokenizer that belongs to the model"));
}

absl::Status CheckTokenizerFits(const Tokenizer& tokenizer,
                                int64_t embedding_rows) {
  return CheckVocabularyFits(tokenizer.base_vocab_size(), embedding_rows);
}

absl::Status CheckTokensFit(absl::Span<const int32_t> ids,
                            const Tokenizer* tokenizer,
                            int64_t embedding_rows) {
  const auto beyond = std::find_if(
      ids.begin(), ids.end(),
      [embedding_rows](int32_t id) { return id >= embedding_rows; });
  if (beyond == ids.end()) return absl::OkStatus();
  std::string token = "a token";
  if (tokenizer != nullptr) {
    const absl::StatusOr<std::string> name =
        tokenizer->Decode({*beyond}, /*skip_special_tokens=*/false);
    if (name.ok()) token = absl::StrCat("the token \"", *name, "\"");
  }
  return absl::InvalidArgumentError(absl::StrCat(
      token, ": expected an id below ", embedding_rows,
      ", the rows of the model's embedding (vocab_size), found ", *beyond,
      "; give the embedding a row for it (transformers: "
      "model.resize_token_embeddings(",
      int64_t{*beyond} + 1,
      ") and save_pretrained), or take the token out of the text"));
}

}  // namespace moe::text
