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
#include "absl/types/span.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/token_id.h"
#include "moe/text/tokenizer/unicode.h"

namespace moe::text {
namespace {

// BpeModel counts a word's characters in 31 bits, and a normalizer may make a
// text longer.
constexpr size_t kMaxTextBytes = size_t{1} << 30;

// A call that needed more memory than this frees it at its end.
constexpr size_t kMaxKeptSymbols = 1 << 16;

template <typename T>
void GiveBackIfLarge(std::vector<T>* values) {
  if (values->capacity() > kMaxKeptSymbols) std::vector<T>().swap(*values);
}

}  // namespace

// A scratch for the duration of a call.
class BpeTokenizer::ScratchLease {
 public:
  explicit ScratchLease(const BpeTokenizer& tokenizer) : tokenizer_(tokenizer) {
    const std::lock_guard<std::mutex> lock(tokenizer_.mutex_);
    if (tokenizer_.free_.empty()) {
      scratch_ = std::make_unique<Scratch>();
    } else {
      scratch_ = std::move(tokenizer_.free_.back());
      tokenizer_.free_.pop_back();
    }
  }
  ~ScratchLease() {
    GiveBackIfLarge(&scratch_->bpe.symbols);
    GiveBackIfLarge(&scratch_->bpe.heap);
    GiveBackIfLarge(&scratch_->bpe.ids);
    const std::lock_guard<std::mutex> lock(tokenizer_.mutex_);
    tokenizer_.free_.push_back(std::move(scratch_));
  }
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
            "the added token \"", token.content,
            "\": expected a normalized form of its own, found \"", form, "\""));
      }
    }
    // The normalized form may be longer than the token.
    MOE_RETURN_IF_ERROR(budget.Spend(form));
    tokens[token.normalized].push_back(token);
    forms[token.normalized].push_back(std::move(form));
  }
  matcher_ = AddedTokenMatcher(tokens[false], forms[false]);
  normalized_matcher_ = AddedTokenMatcher(tokens[true], forms[true]);
  return absl::OkStatus();
}

absl::Status BpeTokenizer::CheckPositions() const {
  if (!parts_.pre_tokenizer.DependsOnPosition()) return absl::OkStatus();
  const bool loses_it =
      parts_.pre_tokenizer.LosesPosition() ||
      !parts_.normalizer.KeepsBeginning() ||
      (!parts_.normalizer.IsIdentity() && !normalized_matcher_.IsEmpty());
  if (!loses_it) return absl::OkStatus();
  return absl::UnimplementedError(
      "a Metaspace with the prepend_scheme \"first\": expected no earlier "
      "pre-tokenizer that changes characters, no normalizer that moves the "
      "beginning, and no normalized added token beside a normalizer; other "
      "combinations are not implemented");
}

absl::StatusOr<std::optional<int32_t>> BpeTokenizer::IdOf(
    absl::string_view field, const std::optional<std::string>& token) const {
  if (!token.has_value()) return std::nullopt;
  const std::optional<int32_t> id = TokenToId(*token);
  if (id.has_value()) return id;
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": expected a token, found \"", *token, "\""));
}

absl::StatusOr<std::vector<int32_t>> BpeTokenizer::Encode(
    absl::string_view text, bool add_special_tokens) const {
  if (text.size() > kMaxTextBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the text to encode: expected at most ", kMaxTextBytes,
                     " bytes, found ", text.size()));
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
  const auto encode = [&](absl::string_view piece,
                          bool is_first) -> absl::Status {
    std::string normalized;
    if (!parts_.normalizer.IsIdentity()) {
      MOE_ASSIGN_OR_RETURN(normalized,
                           parts_.normalizer.Run(piece, scratch.regex));
      piece = normalized;
    }
    return normalized_matcher_.Encode(
        piece, ids, [&](absl::string_view words, bool begins_piece) {
          return EncodeWords(words, is_first && begins_piece, scratch, ids);
        });
  };
  return matcher_.Encode(text, ids, encode);
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
    // An id that the vocabulary leaves out has no text.
    const auto& token = vocab[static_cast<size_t>(id)];
    if (token.has_value()) tokens.push_back(*token);
  }
  if (!parts_.decoder.has_value()) return absl::StrJoin(tokens, " ");
  ScratchLease scratch(*this);
  return parts_.decoder->Run(std::move(tokens), scratch->regex);
}

std::optional<int32_t> BpeTokenizer::TokenToId(absl::string_view token) const {
  const auto added = added_ids_.find(token);
  if (added != added_ids_.end()) return added->second;
  return parts_.model.TokenToId(token);
}

}  // namespace moe::text
