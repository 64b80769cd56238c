// The tokenizer of a tokenizer.model: the SentencePiece library, with special
// tokens as in transformers' LlamaTokenizer.
//
// The library does not find control symbols in a text. So the tokenizer looks
// for special tokens first, and encodes each text between them by itself. With
// "legacy" (tokenizer_config.json; the default is true), each of these texts
// gets the model's space before it, as in the library; without, only the
// beginning of the whole text does.
//
// Decoding gives the names of special tokens, and between them what the library
// decodes. It puts no spaces beside a special token; transformers' slow
// tokenizers put some.

#ifndef MOE_TEXT_TOKENIZER_SENTENCEPIECE_TOKENIZER_H_
#define MOE_TEXT_TOKENIZER_SENTENCEPIECE_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/text/tokenizer/added_tokens.h"
#include "moe/text/tokenizer/sentencepiece_model.h"
#include "moe/text/tokenizer/tokenizer.h"
#include "moe/text/tokenizer/tokenizer_config.h"

namespace moe::text {

class SentencePieceTokenizer final : public Tokenizer {
 public:
  // InvalidArgument if the bytes are not a SentencePiece model, or an added
  // token has the id of another token. A special token of `config` that is not
  // a token yet gets the next free id.
  static absl::StatusOr<std::unique_ptr<SentencePieceTokenizer>> Create(
      absl::string_view serialized, const TokenizerConfig& config,
      absl::string_view digest);

  absl::StatusOr<std::vector<int32_t>> Encode(
      absl::string_view text, bool add_special_tokens) const override;
  absl::StatusOr<std::string> Decode(absl::Span<const int32_t> ids,
                                     bool skip_special_tokens) const override;
  int64_t vocab_size() const override { return vocab_size_; }
  int64_t base_vocab_size() const override { return model_->size(); }
  std::optional<int32_t> TokenToId(absl::string_view token) const override;
  std::optional<int32_t> bos_id() const override { return bos_id_; }
  std::optional<int32_t> eos_id() const override { return eos_id_; }
  const std::string& digest() const override { return digest_; }

 private:
  SentencePieceTokenizer() = default;
  absl::Status LoadModels(absl::string_view serialized, bool legacy);
  absl::Status AddTokens(const TokenizerConfig& config);
  absl::Status AddToken(AddedToken token);
  absl::Status AddNamed(const std::optional<std::string>& name,
                        int32_t model_id, std::optional<int32_t>* id);
  absl::Status AddSpecial(AddedToken token);

  absl::Status EncodeWithOnePrefix(absl::string_view text,
                                   std::vector<int32_t>* ids) const;
  absl::Status EncodeAfterSpace(absl::string_view text,
                                std::vector<int32_t>* ids) const;
  absl::Status DecodeRun(std::vector<int32_t>* run, std::string* text) const;

  std::unique_ptr<SentencePieceModel> model_;
  std::unique_ptr<SentencePieceModel> unprefixed_;  // Null if legacy.
  std::string unk_piece_;
  size_t num_unk_ids_ = 0;  // The number of ids of unk_piece_ as a text.
  std::vector<AddedToken> added_tokens_;
  absl::flat_hash_map<std::string, int32_t> added_ids_;
  absl::flat_hash_map<int32_t, size_t> added_by_id_;
  AddedTokenMatcher matcher_;
  int64_t vocab_size_ = 0;
  std::optional<int32_t> bos_id_;
  std::optional<int32_t> eos_id_;
  bool adds_bos_ = true;
  bool adds_eos_ = false;
  std::string digest_;
  std::string changes_;  // What AddSpecial changed, for the digest.
};

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_SENTENCEPIECE_TOKENIZER_H_
