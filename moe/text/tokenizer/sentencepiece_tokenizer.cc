#include "moe/text/tokenizer/sentencepiece_tokenizer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/token_id.h"
#include "moe/text/tokenizer/unicode.h"

namespace moe::text {
namespace {

constexpr char kMark[] = "\xE2\x96\x81";  // U+2581, which stands for a space.

// The library counts in int, and a space becomes three bytes.
constexpr size_t kMaxTextBytes = size_t{1} << 28;

std::string_view ToStd(absl::string_view text) {
  return std::string_view(text.data(), text.size());
}

absl::Status EncodeBy(const SentencePieceModel& model, absl::string_view text,
                      std::vector<int32_t>* ids) {
  std::vector<int32_t> found;
  std::string error;
  if (!model.Encode(ToStd(text), &found, &error)) {
    return absl::InternalError(
        absl::StrCat("SentencePiece cannot encode a text: ", error));
  }
  ids->insert(ids->end(), found.begin(), found.end());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<SentencePieceTokenizer>>
SentencePieceTokenizer::Create(absl::string_view serialized,
                               const TokenizerConfig& config,
                               absl::string_view digest) {
  std::unique_ptr<SentencePieceTokenizer> tokenizer(
      new SentencePieceTokenizer());
  MOE_RETURN_IF_ERROR(
      tokenizer->LoadModels(serialized, config.legacy.value_or(true)));
  MOE_RETURN_IF_ERROR(tokenizer->AddTokens(config));
  tokenizer->adds_bos_ = config.add_bos_token.value_or(true);
  tokenizer->adds_eos_ = config.add_eos_token.value_or(false);
  tokenizer->digest_ = DigestWith(std::string(digest), tokenizer->changes_);
  return tokenizer;
}

absl::Status SentencePieceTokenizer::LoadModels(absl::string_view serialized,
                                                bool legacy) {
  using Prefix = SentencePieceModel::Prefix;
  std::string error;
  model_ =
      SentencePieceModel::Load(ToStd(serialized), Prefix::kAsModelSays, &error);
  if (model_ != nullptr && !legacy) {
    unprefixed_ =
        SentencePieceModel::Load(ToStd(serialized), Prefix::kNone, &error);
  }
  if (model_ == nullptr || (!legacy && unprefixed_ == nullptr)) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a SentencePiece model: ", error));
  }
  vocab_size_ = model_->size();
  if (model_->unk_id() < 0) return absl::OkStatus();
  unk_piece_ = model_->PieceOf(model_->unk_id());
  if (legacy) return absl::OkStatus();
  std::vector<int32_t> ids;
  MOE_RETURN_IF_ERROR(EncodeBy(*unprefixed_, unk_piece_, &ids));
  num_unk_ids_ = ids.size();
  return absl::OkStatus();
}

absl::Status SentencePieceTokenizer::AddTokens(const TokenizerConfig& config) {
  for (const AddedToken& token : config.added_tokens) {
    MOE_RETURN_IF_ERROR(AddToken(token));
  }
  std::optional<int32_t> unk_id;
  MOE_RETURN_IF_ERROR(AddNamed(config.bos_token, model_->bos_id(), &bos_id_));
  MOE_RETURN_IF_ERROR(AddNamed(config.eos_token, model_->eos_id(), &eos_id_));
  MOE_RETURN_IF_ERROR(AddNamed(config.unk_token, model_->unk_id(), &unk_id));
  for (const absl::string_view field : kNamedTokens) {
    const auto named = config.named_tokens.find(std::string(field));
    if (named == config.named_tokens.end() || !named->second) continue;
    MOE_RETURN_IF_ERROR(AddSpecial(named->second->token));
  }
  for (const auto* const tokens :
       {&config.additional_tokens, &config.extra_tokens}) {
    for (const SpecialToken& special : *tokens) {
      MOE_RETURN_IF_ERROR(AddSpecial(special.token));
    }
  }
  std::vector<std::string> forms;
  for (const AddedToken& token : added_tokens_) forms.push_back(token.content);
  matcher_ = AddedTokenMatcher(added_tokens_, forms);
  return absl::OkStatus();
}

absl::Status SentencePieceTokenizer::AddToken(AddedToken token) {
  const std::string_view content = token.content;
  const bool is_in_model = token.id < model_->size();
  const bool is_taken = added_by_id_.contains(token.id) ||
                        (is_in_model && model_->PieceOf(token.id) != content) ||
                        (!is_in_model && model_->IdOf(content) >= 0);
  if (is_taken) {
    return absl::InvalidArgumentError(
        absl::StrCat("the added token \"", token.content,
                     "\": expected its id in the model, or a free id if the "
                     "model does not have it, found ",
                     token.id));
  }
  vocab_size_ = std::max(vocab_size_, int64_t{token.id} + 1);
  added_ids_.emplace(token.content, token.id);
  added_by_id_.emplace(token.id, added_tokens_.size());
  added_tokens_.push_back(std::move(token));
  return absl::OkStatus();
}

// The token that a file names, or the model's own, as a special token.
absl::Status SentencePieceTokenizer::AddNamed(
    const std::optional<std::string>& name, int32_t model_id,
    std::optional<int32_t>* id) {
  AddedToken token;
  token.special = true;
  if (name.has_value()) {
    token.content = *name;
    if (!TokenToId(*name).has_value()) {
      MOE_RETURN_IF_ERROR(AddSpecial(token));
    }
    token.id = *TokenToId(*name);
  } else if (model_id >= 0) {
    token.content = model_->PieceOf(model_id);
    token.id = model_id;
  } else {
    return absl::OkStatus();
  }
  *id = token.id;
  const auto known = added_by_id_.find(token.id);
  if (known == added_by_id_.end()) return AddToken(std::move(token));
  added_tokens_[known->second].special = true;
  return absl::OkStatus();
}

// A special token that a file names. One that is known is marked as special.
absl::Status SentencePieceTokenizer::AddSpecial(AddedToken token) {
  if (token.content.empty()) return absl::OkStatus();
  const std::optional<int32_t> id = TokenToId(token.content);
  const auto known =
      id.has_value() ? added_by_id_.find(*id) : added_by_id_.end();
  if (known != added_by_id_.end()) {
    AddedToken& there = added_tokens_[known->second];
    if (there.special) return absl::OkStatus();
    there.special = true;
  } else {
    const auto num_outside = std::count_if(
        added_tokens_.begin(), added_tokens_.end(),
        [this](const AddedToken& t) { return t.id >= model_->size(); });
    token.id = id.value_or(model_->size() + static_cast<int32_t>(num_outside));
    MOE_RETURN_IF_ERROR(AddToken(token));
  }
  absl::StrAppend(&changes_, token.content.size(), ":", token.content, token.id,
                  token.lstrip, token.rstrip, token.single_word, "\n");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int32_t>> SentencePieceTokenizer::Encode(
    absl::string_view text, bool add_special_tokens) const {
  if (text.size() > kMaxTextBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the text to encode: expected at most ", kMaxTextBytes,
                     " bytes, found ", text.size()));
  }
  std::string repaired;
  if (!IsWellFormedUtf8(text)) {
    repaired = ReplaceIllFormedUtf8(text);
    text = repaired;
  }
  std::vector<int32_t> ids;
  if (add_special_tokens && adds_bos_ && bos_id_.has_value()) {
    ids.push_back(*bos_id_);
  }
  if (unprefixed_ != nullptr) {
    MOE_RETURN_IF_ERROR(EncodeWithOnePrefix(text, &ids));
  } else {
    MOE_RETURN_IF_ERROR(
        matcher_.Encode(text, &ids, [&](absl::string_view piece, bool) {
          return EncodeBy(*model_, piece, &ids);
        }));
  }
  if (add_special_tokens && adds_eos_ && eos_id_.has_value()) {
    ids.push_back(*eos_id_);
  }
  return ids;
}

// Follows LlamaTokenizer.tokenize without "legacy".
absl::Status SentencePieceTokenizer::EncodeWithOnePrefix(
    absl::string_view text, std::vector<int32_t>* ids) const {
  if (text.empty()) return absl::OkStatus();
  const std::string prefixed =
      absl::StrCat(kMark, absl::StrReplaceAll(text, {{kMark, " "}}));
  const std::vector<TextPiece> pieces = matcher_.Split(prefixed);
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].id.has_value()) {
      ids->push_back(*pieces[i].id);
      continue;
    }
    const absl::string_view piece = absl::string_view(prefixed).substr(
        pieces[i].begin, pieces[i].end - pieces[i].begin);
    // Drops the prepended mark if a special token follows it.
    if (i == 0 && piece == kMark && pieces.size() > 1 &&
        added_tokens_[added_by_id_.at(*pieces[1].id)].special) {
      continue;
    }
    const bool after_space =
        absl::StartsWith(piece, kMark) || absl::StartsWith(piece, " ");
    MOE_RETURN_IF_ERROR(after_space ? EncodeAfterSpace(piece, ids)
                                    : EncodeBy(*unprefixed_, piece, ids));
  }
  return absl::OkStatus();
}

// A model that removes extra white space would drop a space at the beginning of
// a text. So this encodes the text after the unknown token's name.
absl::Status SentencePieceTokenizer::EncodeAfterSpace(
    absl::string_view text, std::vector<int32_t>* ids) const {
  std::vector<int32_t> found;
  MOE_RETURN_IF_ERROR(
      EncodeBy(*unprefixed_, absl::StrCat(unk_piece_, text), &found));
  const size_t skipped = found.size() >= num_unk_ids_ ? num_unk_ids_ : 0;
  ids->insert(ids->end(), found.begin() + static_cast<ptrdiff_t>(skipped),
              found.end());
  return absl::OkStatus();
}

absl::Status SentencePieceTokenizer::DecodeRun(std::vector<int32_t>* run,
                                               std::string* text) const {
  if (run->empty()) return absl::OkStatus();
  std::string decoded;
  std::string error;
  if (!model_->Decode(*run, &decoded, &error)) {
    return absl::InternalError(
        absl::StrCat("SentencePiece cannot decode ids: ", error));
  }
  *text += decoded;
  run->clear();
  return absl::OkStatus();
}

absl::StatusOr<std::string> SentencePieceTokenizer::Decode(
    absl::Span<const int32_t> ids, bool skip_special_tokens) const {
  MOE_RETURN_IF_ERROR(CheckTokenIds(ids, vocab_size_));
  std::string text;
  std::vector<int32_t> run;
  for (const int32_t id : ids) {
    const auto added = added_by_id_.find(id);
    const bool is_in_model = id < model_->size();
    if (added == added_by_id_.end() && is_in_model && !model_->IsSpecial(id)) {
      run.push_back(id);
      continue;
    }
    const bool is_special =
        added == added_by_id_.end() || added_tokens_[added->second].special;
    if (skip_special_tokens && is_special) continue;
    MOE_RETURN_IF_ERROR(DecodeRun(&run, &text));
    // Ids between those of the model and of the added tokens may be unused.
    if (added != added_by_id_.end()) {
      text += added_tokens_[added->second].content;
    } else if (is_in_model) {
      text += model_->PieceOf(id);
    }
  }
  MOE_RETURN_IF_ERROR(DecodeRun(&run, &text));
  return text;
}

std::optional<int32_t> SentencePieceTokenizer::TokenToId(
    absl::string_view token) const {
  const auto added = added_ids_.find(token);
  if (added != added_ids_.end()) return added->second;
  const int32_t id = model_->IdOf(ToStd(token));
  if (id < 0) return std::nullopt;
  return id;
}

}  // namespace moe::text
