#include "moe/text/dataset/chat_template.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/ignored_label.h"
#include "moe/base/sha256.h"
#include "moe/base/status_macros.h"
#include "moe/text/dataset/chat_families.h"
#include "moe/text/dataset/chat_template_source.h"
#include "moe/text/dataset/dataset_options.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/record.h"
#include "moe/text/dataset/rendered_chat.h"
#include "moe/text/dataset/span_tokens.h"
#include "moe/text/jinja/python_string.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe::text {
namespace {

constexpr std::array<Role, 3> kRoles = {Role::kSystem, Role::kUser,
                                        Role::kAssistant};

size_t Index(Role role) { return static_cast<size_t>(role); }

void Append(absl::Span<const int32_t> ids, std::vector<int32_t>& out) {
  out.insert(out.end(), ids.begin(), ids.end());
}

bool HasTokensOf(TokenizeOptions::ChatTemplate kind,
                 const Tokenizer& tokenizer) {
  const std::vector<absl::string_view> tokens = TemplateTokens(kind);
  return std::all_of(tokens.begin(), tokens.end(),
                     [&](absl::string_view token) {
                       return tokenizer.TokenToId(token).has_value();
                     });
}

// What the vocabulary tells; AUTO where it tells nothing.
TokenizeOptions::ChatTemplate ByVocabulary(const Tokenizer& tokenizer) {
  for (const auto kind : {TokenizeOptions::LLAMA3, TokenizeOptions::CHATML}) {
    if (HasTokensOf(kind, tokenizer)) return kind;
  }
  return TokenizeOptions::AUTO;
}

// A conversation as LLAMA3 or CHATML writes it.
std::string WrittenAs(TokenizeOptions::ChatTemplate kind,
                      absl::string_view start,
                      const Conversation& conversation) {
  const std::vector<absl::string_view> tokens = TemplateTokens(kind);
  std::string text(start);
  for (const Turn& turn : conversation.turns) {
    const absl::string_view role = RoleName(turn.role);
    if (kind == TokenizeOptions::LLAMA3) {
      absl::StrAppend(&text, tokens[0], role, tokens[1], "\n\n",
                      jinja::Strip(turn.text, jinja::Ends::kBoth), tokens[2]);
    } else {
      absl::StrAppend(&text, tokens[0], role, "\n", turn.text, tokens[1], "\n");
    }
  }
  return text;
}

// Conversations that tell templates apart: by turns, a system turn, and white
// space at the ends of texts.
std::vector<Conversation> Probes() {
  const Turn system = {Role::kSystem, " be kind\n"};
  const Turn user = {Role::kUser, "\n hi "};
  const Turn assistant = {Role::kAssistant, " hello\n"};
  return {{{user, assistant}},
          {{system, user, assistant}},
          {{user, assistant, user, assistant}},
          {{system, user, assistant, user, assistant}}};
}

bool WritesAs(TokenizeOptions::ChatTemplate kind, absl::string_view start,
              const ChatRenderer& renderer) {
  for (const Conversation& probe : Probes()) {
    const absl::StatusOr<RenderedChat> rendered = renderer.Render(probe);
    if (!rendered.ok() || rendered->text != WrittenAs(kind, start, probe)) {
      return false;
    }
  }
  return true;
}

std::string NamedToken(const ChatTemplateSource& source,
                       const std::string& name) {
  const auto found = source.special_tokens.find(name);
  return found == source.special_tokens.end() ? "" : found->second;
}

}  // namespace

absl::StatusOr<ChatTemplate> ChatTemplate::Create(
    TokenizeOptions::ChatTemplate kind, bool keep_system,
    const Tokenizer& tokenizer, const ChatTemplateSource& source) {
  ChatTemplate chat(kind, keep_system, tokenizer);
  if (kind == TokenizeOptions::AUTO || kind == TokenizeOptions::CHECKPOINT ||
      !FamilyTemplate(kind).empty()) {
    MOE_RETURN_IF_ERROR(chat.ChooseTemplate(source));
  }
  if (!chat.refusal_.ok()) return chat;
  MOE_RETURN_IF_ERROR(chat.FindTokens());
  if (chat.renderer_.has_value()) return chat;
  MOE_RETURN_IF_ERROR(chat.EncodeHeaders());
  MOE_RETURN_IF_ERROR(chat.FindBos());
  return chat;
}

absl::Status ChatTemplate::ChooseTemplate(const ChatTemplateSource& source) {
  const TokenizeOptions::ChatTemplate asked = kind_;
  const absl::string_view family = FamilyTemplate(asked);
  eos_token_ = NamedToken(source, "eos_token");
  if (family.empty() && !source.text.has_value()) {
    if (asked == TokenizeOptions::AUTO) kind_ = ByVocabulary(*tokenizer_);
    if (kind_ == TokenizeOptions::LLAMA3 || kind_ == TokenizeOptions::CHATML) {
      return absl::OkStatus();
    }
    kind_ = TokenizeOptions::NONE;
    refusal_ = absl::InvalidArgumentError(
        "the checkpoint has no chat template (chat_template.jinja, or "
        "chat_template of tokenizer_config.json), and its vocabulary tells "
        "none: name one for conversations, with --chat_template");
    return absl::OkStatus();
  }
  if (family.empty()) kind_ = TokenizeOptions::CHECKPOINT;
  const std::string text(family.empty() ? absl::string_view(*source.text)
                                        : family);
  absl::StatusOr<ChatRenderer> renderer =
      ChatRenderer::Create(text, source.special_tokens);
  if (!renderer.ok()) {
    refusal_ = absl::Status(
        renderer.status().code(),
        absl::StrCat(
            "the checkpoint's chat template: ", renderer.status().message(),
            "; name another for conversations, with --chat_template"));
    return absl::OkStatus();
  }
  if (family.empty()) {
    MOE_ASSIGN_OR_RETURN(const TokenizeOptions::ChatTemplate kind,
                         RecogniseKind(source, *renderer));
    if (kind != TokenizeOptions::CHECKPOINT) {
      kind_ = kind;
      return absl::OkStatus();
    }
  }
  renderer_ = *std::move(renderer);
  base::Sha256 sha;
  sha.Update(text);
  for (const auto& [name, token] : source.special_tokens) {
    sha.Update(absl::StrCat("\n", name, " ", token.size(), " ", token));
  }
  digest_ = sha.HexDigest();
  return absl::OkStatus();
}

absl::StatusOr<TokenizeOptions::ChatTemplate> ChatTemplate::RecogniseKind(
    const ChatTemplateSource& source, const ChatRenderer& renderer) const {
  const TokenizeOptions::ChatTemplate kind = ByVocabulary(*tokenizer_);
  const bool is_llama3 = kind == TokenizeOptions::LLAMA3;
  MOE_ASSIGN_OR_RETURN(const bool puts_bos, PutsBos());
  // CHATML would put a BOS there, and a template that is so written has none.
  const bool fits = is_llama3 || (kind == TokenizeOptions::CHATML && !puts_bos);
  const std::string start = is_llama3 ? NamedToken(source, "bos_token") : "";
  return fits && WritesAs(kind, start, renderer) ? kind
                                                 : TokenizeOptions::CHECKPOINT;
}

absl::Status ChatTemplate::FindTokens() {
  for (const absl::string_view name : TemplateTokens(kind_)) {
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

absl::StatusOr<bool> ChatTemplate::PutsBos() const {
  MOE_ASSIGN_OR_RETURN(const std::vector<int32_t> around,
                       tokenizer_->Encode("", true));
  return !around.empty() && around[0] == tokenizer_->bos_id();
}

absl::Status ChatTemplate::FindBos() {
  const auto bos = tokenizer_->bos_id();
  if (!bos.has_value()) return absl::OkStatus();
  MOE_ASSIGN_OR_RETURN(const bool starts_with_bos, PutsBos());
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
  const absl::string_view text =
      kind_ == TokenizeOptions::LLAMA3
          ? jinja::Strip(turn.text, jinja::Ends::kBoth)
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
  out.labels.resize(out.input_ids.size(), base::kIgnoredLabel);
  if (turn.role != Role::kAssistant) return absl::OkStatus();
  std::copy_n(out.input_ids.end() - static_cast<ptrdiff_t>(num_labelled),
              num_labelled,
              out.labels.end() - static_cast<ptrdiff_t>(num_labelled));
  return absl::OkStatus();
}

absl::Status ChatTemplate::CheckTurns(const Conversation& conversation) const {
  for (size_t i = 0; i < conversation.turns.size(); ++i) {
    const Turn& turn = conversation.turns[i];
    if (turn.role != Role::kTool && turn.tool_calls.empty()) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "turn ", i, " is a tool's ",
        turn.role == Role::kTool ? "answer (role tool)"
                                 : "call (role assistant, tool_calls)",
        ", for which the chat template ", ChatTemplateName(kind_),
        " has no rule; leave such conversations out, with --skip_bad_lines"));
  }
  return absl::OkStatus();
}

absl::StatusOr<EncodedConversation> ChatTemplate::EncodeRendered(
    const Conversation& conversation) const {
  MOE_ASSIGN_OR_RETURN(RenderedChat chat, renderer_->Render(conversation));
  if (!chat.is_marked) {
    for (Span& span : chat.spans) {
      MOE_ASSIGN_OR_RETURN(span.second, EndOfTurn(*tokenizer_, chat.text,
                                                  span.second, eos_token_));
    }
  }
  MOE_ASSIGN_OR_RETURN(SpanTokens encoded,
                       EncodeSpans(*tokenizer_, chat.text, chat.spans));
  EncodedConversation out;
  out.input_ids = std::move(encoded.ids);
  out.labels.assign(out.input_ids.size(), base::kIgnoredLabel);
  for (const Span& span : encoded.tokens) {
    std::copy(out.input_ids.begin() + static_cast<ptrdiff_t>(span.first),
              out.input_ids.begin() + static_cast<ptrdiff_t>(span.second),
              out.labels.begin() + static_cast<ptrdiff_t>(span.first));
  }
  return out;
}

absl::StatusOr<EncodedConversation> ChatTemplate::Encode(
    const Conversation& conversation) const {
  MOE_RETURN_IF_ERROR(refusal_);
  if (renderer_.has_value()) {
    Conversation kept;
    for (const Turn& turn : conversation.turns) {
      if (turn.role != Role::kSystem || keep_system_)
        kept.turns.push_back(turn);
    }
    return EncodeRendered(kept);
  }
  MOE_RETURN_IF_ERROR(CheckTurns(conversation));
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
  out.labels.resize(out.input_ids.size(), base::kIgnoredLabel);
  return out;
}

}  // namespace moe::text
