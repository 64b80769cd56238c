// The tokenizer of a tokenizer.json.
//
//   text -> added tokens -> normalizer -> normalized added tokens ->
//   pre-tokenizer -> BPE -> post-processor -> ids
//
// in the order of the tokenizers package.

#ifndef MOE_TEXT_TOKENIZER_BPE_TOKENIZER_H_
#define MOE_TEXT_TOKENIZER_BPE_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/text/tokenizer/added_tokens.h"
#include "moe/text/tokenizer/bpe_model.h"
#include "moe/text/tokenizer/decoder.h"
#include "moe/text/tokenizer/normalizer.h"
#include "moe/text/tokenizer/pattern.h"
#include "moe/text/tokenizer/post_processor.h"
#include "moe/text/tokenizer/pre_tokenizer.h"
#include "moe/text/tokenizer/tokenizer.h"
#include "moe/text/tokenizer/word_cache.h"

namespace moe::text {

struct BpeTokenizerParts {
  BpeModel model;
  std::vector<AddedToken> added_tokens;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  PostProcessor post_processor;
  // Without one, the text is the tokens with spaces between.
  std::optional<Decoder> decoder;
};

// What files beside the tokenizer.json say.
struct TokenizerNames {
  std::optional<std::string> bos_token;
  std::optional<std::string> eos_token;
  std::string digest;
  // Replaces the flag of a tokenizer.json whose pre-tokenizer is one ByteLevel,
  // as in transformers 4, and in 5 with GPT-2's tokenizer_class. Other
  // pre-tokenizers do not have the flag.
  std::optional<bool> add_prefix_space = std::nullopt;
};

// Each thread that encodes at the same time as others takes a WordCache of
// 2 MiB; later calls use it again.
class BpeTokenizer final : public Tokenizer {
 public:
  // InvalidArgument if an added token's normalized form is empty or that of
  // another, or if bos_token or eos_token is no token. Unimplemented if a
  // Metaspace of the scheme "first" stands where the first text cannot be told.
  static absl::StatusOr<std::unique_ptr<BpeTokenizer>> Create(
      BpeTokenizerParts parts, const TokenizerNames& names);

  absl::StatusOr<std::vector<int32_t>> Encode(
      absl::string_view text, bool add_special_tokens) const override;
  absl::StatusOr<std::string> Decode(absl::Span<const int32_t> ids,
                                     bool skip_special_tokens) const override;
  int64_t vocab_size() const override { return vocab_size_; }
  int64_t base_vocab_size() const override {
    return static_cast<int64_t>(parts_.model.tokens().size());
  }
  std::optional<int32_t> TokenToId(absl::string_view token) const override;
  std::optional<int32_t> bos_id() const override { return bos_id_; }
  std::optional<int32_t> eos_id() const override { return eos_id_; }
  const std::string& digest() const override { return digest_; }

 private:
  struct Scratch {
    RegexScratch regex;
    BpeScratch bpe;
    WordCache cache;
  };
  class ScratchLease;

  explicit BpeTokenizer(BpeTokenizerParts parts);
  absl::Status Prepare(const TokenizerNames& names);
  absl::Status PrepareMatchers();
  absl::Status CheckPositions() const;
  absl::StatusOr<std::optional<int32_t>> IdOf(
      absl::string_view field, const std::optional<std::string>& token) const;

  absl::Status EncodeText(absl::string_view text, Scratch& scratch,
                          std::vector<int32_t>* ids) const;
  absl::Status EncodeWords(absl::string_view text, bool is_first,
                           Scratch& scratch, std::vector<int32_t>* ids) const;

  const BpeTokenizerParts parts_;
  absl::flat_hash_map<std::string, int32_t> added_ids_;
  absl::flat_hash_map<int32_t, const AddedToken*> added_by_id_;
  AddedTokenMatcher matcher_;
  AddedTokenMatcher normalized_matcher_;
  int64_t vocab_size_ = 0;
  std::optional<int32_t> bos_id_;
  std::optional<int32_t> eos_id_;
  std::string digest_;

  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Scratch>> free_;  // Under mutex_.
};

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_BPE_TOKENIZER_H_
