#include "moe/text/dataset/chat_template.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/ignored_label.h"
#include "moe/base/status_macros.h"
#include "moe/text/dataset/dataset_options.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/record.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe {
namespace {

constexpr absl::string_view kStartHeader = "<|start_header_id|>";
constexpr absl::string_view kEndHeader = "<|end_header_id|>";
constexpr absl::string_view kEndOfTurn = "<|eot_id|>";
constexpr absl::string_view kImStart = "<|im_start|>";
constexpr absl::string_view kImEnd = "<|im_end|>";

constexpr std::array<Role, 3> kRoles = {Role::kSystem, Role::kUser,
                                        Role::kAssistant};

// The characters of Python's str.isspace(), in UTF-8: U+0009 to U+000D, U+001C
// to U+0020, U+0085, U+00A0, U+1680, U+2000 to U+200A, U+2028, U+2029, U+202F,
// U+205F, U+3000.
constexpr absl::string_view kWhitespace[] = {"\t",           "\n",
                                             "\v",           "\f",
                                             "\r",           "\x1c",
                                             "\x1d",         "\x1e",
                                             "\x1f",         " ",
                                             "\xc2\x85",     "\xc2\xa0",
                                             "\xe1\x9a\x80", "\xe2\x80\x80",
                                             "\xe2\x80\x81", "\xe2\x80\x82",
                                             "\xe2\x80\x83", "\xe2\x80\x84",
                                             "\xe2\x80\x85", "\xe2\x80\x86",
                                             "\xe2\x80\x87", "\xe2\x80\x88",
                                             "\xe2\x80\x89", "\xe2\x80\x8a",
                                             "\xe2\x80\xa8", "\xe2\x80\xa9",
                                             "\xe2\x80\xaf", "\xe2\x81\x9f",
                                             "\xe3\x80\x80"};

// Bytes of the white space character there; 0 where there is none.
size_t WhitespaceAtStart(absl::string_view text) {
  for (const absl::string_view character : kWhitespace) {
    if (absl::StartsWith(text, character)) return character.size();
  }
  return 0;
}

size_t WhitespaceAtEnd(absl::string_view text) {
  for (const absl::string_view character : kWhitespace) {
    if (absl::EndsWith(text, character)) return character.size();
  }
  return 0;
}

size_t Index(Role role) { return static_cast<size_t>(role); }

void Append(absl::Span<const int32_t> ids, std::vector<int32_t>& out) {
  out.insert(out.end(), ids.begin(), ids.end());
}

bool HasAll(const Tokenizer& tokenizer,
            std::initializer_list<absl::string_view> tokens) {
  return std::all_of(tokens.begin(), tokens.end(),
                     [&](absl::string_view token) {
                       return tokenizer.TokenToId(token).has_value();
                     });
}

TokenizeOptions::ChatTemplate Resolve(TokenizeOptions::ChatTemplate kind,
                                      const Tokenizer& tokenizer) {
  if (kind != TokenizeOptions::AUTO) return kind;
  if (HasAll(tokenizer, {kStartHeader, kEndHeader, kEndOfTurn})) {
    return TokenizeOptions::LLAMA3;
  }
  if (HasAll(tokenizer, {kImStart, kImEnd})) return TokenizeOptions::CHATML;
  return TokenizeOptions::NONE;
}

}  // namespace

absl::string_view StripWhitespace(absl::string_view text) {
  while (const size_t size = WhitespaceAtStart(text)) text.remove_prefix(size);
  while (const size_t size = WhitespaceAtEnd(text)) text.remove_suffix(size);
  return text;
}

absl::StatusOr<ChatTemplate> ChatTemplate::Create(
    TokenizeOptions::ChatTemplate kind, bool keep_system,
    const Tokenizer& tokenizer) {
  ChatTemplate chat(Resolve(kind, tokenizer), keep_system, tokenizer);
  MOE_RETURN_IF_ERROR(chat.FindTokens());
  MOE_RETURN_IF_ERROR(chat.EncodeHeaders());
  MOE_RETURN_IF_ERROR(chat.FindBos());
  return chat;
}

absl::Status ChatTemplate::FindTokens() {
  std::vector<absl::string_view> names;
  if (kind_ == TokenizeOptions::LLAMA3) {
    names = {kStartHeader, kEndHeader, kEndOfTurn};
  } else if (kind_ == TokenizeOptions::CHATML) {
    names = {kImStart, kImEnd};
  }
  for (const absl::string_view name : names) {
    const auto id = tokenizer_->TokenToId(name);
    if (!id.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the chat template ", ChatTemplateName(kind_),
                       " needs the token ", name,
                       ", which the tokenizer does not have; choose another "
                       "--chat_template"));
    }
    special_ids_.push_back(*id);
  }
  if (!special_ids_.empty()) end_of_turn_ = special_ids_.back();
  return absl::OkStatus();
}

absl::Status ChatTemplate::EncodeHeaders() {
  for (const Role role : kRoles) {
    std::vector<int32_t>& opening = opening_[Index(role)];
    Header& header = header_[Index(role)];
    const absl::string_view name = RoleName(role);
    if (kind_ == TokenizeOptions::LLAMA3) {
      MOE_ASSIGN_OR_RETURN(const std::vector<int32_t> role_ids,
                           tokenizer_->Encode(name, false));
      opening = {special_ids_[0]};
      Append(role_ids, opening);
      opening.push_back(special_ids_[1]);
      header.text = "\n\n";
    } else if (kind_ == TokenizeOptions::CHATML) {
      opening = {special_ids_[0]};
      header.text = absl::StrCat(name, "\n");
    }
    if (header.text.empty()) continue;
    MOE_ASSIGN_OR_RETURN(header.ids, tokenizer_->Encode(header.text, false));
  }
  if (kind_ != TokenizeOptions::LLAMA3) {
    MOE_ASSIGN_OR_RETURN(after_turn_, tokenizer_->Encode("\n", false));
  }
  return absl::OkStatus();
}

absl::Status ChatTemplate::FindBos() {
  const auto bos = tokenizer_->bos_id();
  if (!bos.has_value()) return absl::OkStatus();
  MOE_ASSIGN_OR_RETURN(const std::vector<int32_t> around,
                       tokenizer_->Encode("", true));
  const bool starts_with_bos = !around.empty() && around[0] == *bos;
  if (kind_ == TokenizeOptions::LLAMA3 || starts_with_bos) start_ids_ = {*bos};
  if (kind_ == TokenizeOptions::LLAMA3) special_ids_.push_back(*bos);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int32_t>> ChatTemplate::EncodeText(
    const Turn& turn, absl::string_view text) const {
  const Header& header = header_[Index(turn.role)];
  MOE_ASSIGN_OR_RETURN(
      std::vector<int32_t> ids,
      tokenizer_->Encode(absl::StrCat(header.text, text), false));
  const bool header_is_apart =
      ids.size() >= header.ids.size() &&
      std::equal(header.ids.begin(), header.ids.end(), ids.begin());
  if (header_is_apart || turn.role != Role::kAssistant) return ids;
  MOE_ASSIGN_OR_RETURN(const std::vector<int32_t> text_ids,
                       tokenizer_->Encode(text, false));
  ids = header.ids;
  Append(text_ids, ids);
  return ids;
}

absl::Status ChatTemplate::AppendTurn(const Turn& turn,
                                      EncodedConversation& out) const {
  const absl::string_view text = kind_ == TokenizeOptions::LLAMA3
                                     ? StripWhitespace(turn.text)
                                     : absl::string_view(turn.text);
  MOE_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, EncodeText(turn, text));
  if (std::find_first_of(ids.begin(), ids.end(), special_ids_.begin(),
                         special_ids_.end()) != ids.end()) {
    ++out.num_texts_with_special_tokens;
  }
  Append(opening_[Index(turn.role)], out.input_ids);
  Append(ids, out.input_ids);
  if (end_of_turn_.has_value()) out.input_ids.push_back(*end_of_turn_);
  const size_t num_header_ids = header_[Index(turn.role)].ids.size();
  const size_t num_labelled = ids.size() -
                              std::min(num_header_ids, ids.size()) +
                              (end_of_turn_.has_value() ? 1 : 0);
  out.labels.resize(out.input_ids.size(), kIgnoredLabel);
  if (turn.role != Role::kAssistant) return absl::OkStatus();
  std::copy_n(out.input_ids.end() - static_cast<ptrdiff_t>(num_labelled),
              num_labelled,
              out.labels.end() - static_cast<ptrdiff_t>(num_labelled));
  return absl::OkStatus();
}

absl::StatusOr<EncodedConversation> ChatTemplate::Encode(
    const Conversation& conversation) const {
  EncodedConversation out;
  out.input_ids = start_ids_;
  bool is_first = true;
  for (const Turn& turn : conversation.turns) {
    if (turn.role == Role::kSystem && !keep_system_) continue;
    // none has its line breaks between turns, chatml behind each.
    if (kind_ == TokenizeOptions::NONE && !is_first) {
      Append(after_turn_, out.input_ids);
    }
    MOE_RETURN_IF_ERROR(AppendTurn(turn, out));
    if (kind_ == TokenizeOptions::CHATML) Append(after_turn_, out.input_ids);
    is_first = false;
  }
  out.labels.resize(out.input_ids.size(), kIgnoredLabel);
  return out;
}

}  // namespace moe
