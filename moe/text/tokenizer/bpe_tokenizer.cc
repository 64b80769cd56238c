#include "moe/text/tokenizer/bpe_tokenizer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/token_id.h"
#include "moe/text/tokenizer/utf8.h"

namespace moe {
namespace {

// A word's characters are counted in 31 bits, and a normalizer may make a text
// longer.
constexpr size_t kMaxTextBytes = size_t{1} << 30;

// What a call that needed more leaves behind is given back, not kept.
constexpr size_t kMaxKeptSymbols = 1 << 16;

template <typename T>
void GiveBackIfLarge(std::vector<T>* values) {
  if (values->capacity() > kMaxKeptSymbols) std::vector<T>().swap(*values);
}

}  // namespace

// A scratch for as long as a call takes.
class BpeTokenizer::ScratchLease {
 public:
  explicit ScratchLease(const BpeTokenizer& tokenizer)
      : tokenizer_(tokenizer), scratch_(tokenizer.TakeScratch()) {}
  ~ScratchLease() { tokenizer_.ReturnScratch(std::move(scratch_)); }
  ScratchLease(const ScratchLease&) = delete;
  ScratchLease& operator=(const ScratchLease&) = delete;

  Scratch& operator*() { return *scratch_; }
  Scratch* operator->() { return scratch_.get(); }

 private:
  const BpeTokenizer& tokenizer_;
  std::unique_ptr<Scratch> scratch_;
};

BpeTokenizer::BpeTokenizer(BpeTokenizerParts parts)
    : parts_(std::move(parts)) {}

absl::StatusOr<std::unique_ptr<BpeTokenizer>> BpeTokenizer::Create(
    BpeTokenizerParts parts, const TokenizerNames& names) {
  std::unique_ptr<BpeTokenizer> tokenizer(new BpeTokenizer(std::move(parts)));
  MOE_RETURN_IF_ERROR(tokenizer->Prepare(names));
  return tokenizer;
}

absl::Status BpeTokenizer::Prepare(const TokenizerNames& names) {
  vocab_size_ = static_cast<int64_t>(parts_.model.tokens().size());
  for (const AddedToken& token : parts_.added_tokens) {
    added_ids_.emplace(token.content, token.id);
    added_by_id_.emplace(token.id, &token);
    vocab_size_ = std::max(vocab_size_, int64_t{token.id} + 1);
  }
  MOE_RETURN_IF_ERROR(PrepareMatchers());
  MOE_RETURN_IF_ERROR(CheckPositions());
  MOE_ASSIGN_OR_RETURN(bos_id_, IdOf("bos_token", names.bos_token));
  MOE_ASSIGN_OR_RETURN(eos_id_, IdOf("eos_token", names.eos_token));
  digest_ = names.digest;
  return absl::OkStatus();
}

absl::Status BpeTokenizer::PrepareMatchers() {
  std::vector<AddedToken> tokens[2];
  std::vector<std::string> forms[2];
  absl::flat_hash_set<std::string> normalized_forms;
  RegexScratch scratch;
  AddedTokenBudget budget;
  for (const AddedToken& token : parts_.added_tokens) {
    std::string form = token.content;
    if (token.normalized) {
      MOE_ASSIGN_OR_RETURN(form, parts_.normalizer.Run(token.content, scratch));
      if (form.empty() || !normalized_forms.insert(form).second) {
        return absl::InvalidArgumentError(absl::StrCat(
            "the added token \"", token.content, "\" is \"", form,
            "\" when it is normalized, which is nothing or another token"));
      }
    }
    // What a normalizer makes of a token may be longer.
    MOE_RETURN_IF_ERROR(budget.Spend(form));
    tokens[token.normalized].push_back(token);
    forms[token.normalized].push_back(std::move(form));
  }
  if (!tokens[false].empty()) matcher_.emplace(tokens[false], forms[false]);
  if (!tokens[true].empty()) {
    normalized_matcher_.emplace(tokens[true], forms[true]);
  }
  return absl::OkStatus();
}

absl::Status BpeTokenizer::CheckPositions() const {
  if (!parts_.pre_tokenizer.DependsOnPosition()) return absl::OkStatus();
  const bool loses_it =
      parts_.pre_tokenizer.LosesPosition() ||
      !parts_.normalizer.KeepsBeginning() ||
      (!parts_.normalizer.IsIdentity() && normalized_matcher_.has_value());
  if (!loses_it) return absl::OkStatus();
  return absl::UnimplementedError(
      "a Metaspace with the prepend_scheme \"first\" is implemented only "
      "before "
      "other pre-tokenizers that change characters, and without normalizers "
      "that "
      "move the beginning or added tokens that are normalized");
}

absl::StatusOr<std::optional<int32_t>> BpeTokenizer::IdOf(
    absl::string_view field, const std::optional<std::string>& token) const {
  if (!token.has_value()) return std::nullopt;
  const absl::optional<int32_t> id = TokenToId(*token);
  if (id.has_value()) return std::optional<int32_t>(*id);
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is \"", *token, "\", which is no token"));
}

std::unique_ptr<BpeTokenizer::Scratch> BpeTokenizer::TakeScratch() const {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!free_.empty()) {
      std::unique_ptr<Scratch> scratch = std::move(free_.back());
      free_.pop_back();
      return scratch;
    }
  }
  return std::make_unique<Scratch>();
}

void BpeTokenizer::ReturnScratch(std::unique_ptr<Scratch> scratch) const {
  GiveBackIfLarge(&scratch->bpe.symbols);
  GiveBackIfLarge(&scratch->bpe.heap);
  GiveBackIfLarge(&scratch->bpe.ids);
  const std::lock_guard<std::mutex> lock(mutex_);
  free_.push_back(std::move(scratch));
}

absl::StatusOr<std::vector<int32_t>> BpeTokenizer::Encode(
    absl::string_view text, bool add_special_tokens) const {
  if (text.size() > kMaxTextBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a text has ", text.size(), " bytes; at most ",
                     kMaxTextBytes, " are encoded at once"));
  }
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3);
  ScratchLease scratch(*this);
  if (IsWellFormedUtf8(text)) {
    MOE_RETURN_IF_ERROR(EncodeText(text, *scratch, &ids));
  } else {
    MOE_RETURN_IF_ERROR(EncodeText(ReplaceIllFormedUtf8(text), *scratch, &ids));
  }
  return parts_.post_processor.Run(std::move(ids), add_special_tokens);
}

absl::Status BpeTokenizer::EncodeText(absl::string_view text, Scratch& scratch,
                                      std::vector<int32_t>* ids) const {
  if (text.empty()) return absl::OkStatus();
  if (!matcher_.has_value()) return EncodePiece(text, true, scratch, ids);
  for (const TextPiece& piece : matcher_->Split(text)) {
    if (piece.id.has_value()) {
      ids->push_back(*piece.id);
      continue;
    }
    MOE_RETURN_IF_ERROR(
        EncodePiece(text.substr(piece.begin, piece.end - piece.begin),
                    piece.begin == 0, scratch, ids));
  }
  return absl::OkStatus();
}

absl::Status BpeTokenizer::EncodePiece(absl::string_view text, bool is_first,
                                       Scratch& scratch,
                                       std::vector<int32_t>* ids) const {
  if (parts_.normalizer.IsIdentity()) {
    return EncodeNormalized(text, is_first, scratch, ids);
  }
  MOE_ASSIGN_OR_RETURN(const std::string normalized,
                       parts_.normalizer.Run(text, scratch.regex));
  return EncodeNormalized(normalized, is_first, scratch, ids);
}

absl::Status BpeTokenizer::EncodeNormalized(absl::string_view text,
                                            bool is_first, Scratch& scratch,
                                            std::vector<int32_t>* ids) const {
  if (!normalized_matcher_.has_value()) {
    return EncodeWords(text, is_first, scratch, ids);
  }
  for (const TextPiece& piece : normalized_matcher_->Split(text)) {
    if (piece.id.has_value()) {
      ids->push_back(*piece.id);
      continue;
    }
    MOE_RETURN_IF_ERROR(
        EncodeWords(text.substr(piece.begin, piece.end - piece.begin),
                    is_first && piece.begin == 0, scratch, ids));
  }
  return absl::OkStatus();
}

absl::Status BpeTokenizer::EncodeWords(absl::string_view text, bool is_first,
                                       Scratch& scratch,
                                       std::vector<int32_t>* ids) const {
  return parts_.pre_tokenizer.ForEachWord(
      text, is_first, scratch.regex, [&](absl::string_view word) {
        WordCache::Place place;
        WordCache::Ids known;
        if (scratch.cache.Get(word, &place, &known)) {
          ids->insert(ids->end(), known.data, known.data + known.size);
          return;
        }
        const size_t before = ids->size();
        parts_.model.Encode(word, scratch.bpe, ids);
        scratch.cache.Put(word, place,
                          absl::MakeConstSpan(*ids).subspan(before));
      });
}

absl::StatusOr<std::string> BpeTokenizer::Decode(
    absl::Span<const int32_t> ids, bool skip_special_tokens) const {
  MOE_RETURN_IF_ERROR(CheckTokenIds(ids, vocab_size_));
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  const auto& vocab = parts_.model.tokens();
  for (const int32_t id : ids) {
    const auto added = added_by_id_.find(id);
    if (added != added_by_id_.end()) {
      if (skip_special_tokens && added->second->special) continue;
      tokens.push_back(added->second->content);
      continue;
    }
    // An id that the vocabulary leaves out is nothing.
    const auto& token = vocab[static_cast<size_t>(id)];
    if (token.has_value()) tokens.push_back(*token);
  }
  if (!parts_.decoder.has_value()) return absl::StrJoin(tokens, " ");
  ScratchLease scratch(*this);
  return parts_.decoder->Run(std::move(tokens), scratch->regex);
}

absl::optional<int32_t> BpeTokenizer::TokenToId(absl::string_view token) const {
  const auto added = added_ids_.find(token);
  if (added != added_ids_.end()) return added->second;
  return ToAbsl(parts_.model.TokenToId(token));
}

absl::optional<int32_t> BpeTokenizer::bos_id() const { return ToAbsl(bos_id_); }
absl::optional<int32_t> BpeTokenizer::eos_id() const { return ToAbsl(eos_id_); }

}  // namespace moe
