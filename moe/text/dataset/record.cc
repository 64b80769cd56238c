#include "moe/text/dataset/record.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/ignored_label.h"
#include "moe/base/json.h"
#include "moe/base/status_macros.h"

namespace moe::text {
namespace {

struct NamedRole {
  absl::string_view name;
  Role role;
};

constexpr absl::string_view kFunctionCall = "function_call";

constexpr NamedRole kNamedRoles[] = {{"system", Role::kSystem},
                                     {"developer", Role::kSystem},
                                     {"user", Role::kUser},
                                     {"human", Role::kUser},
                                     {"prompter", Role::kUser},
                                     {"assistant", Role::kAssistant},
                                     {"gpt", Role::kAssistant},
                                     {"chatgpt", Role::kAssistant},
                                     {"model", Role::kAssistant},
                                     {"bot", Role::kAssistant},
                                     {kFunctionCall, Role::kAssistant},
                                     {"tool", Role::kTool},
                                     {"function", Role::kTool},
                                     {"observation", Role::kTool},
                                     {"ipython", Role::kTool}};

// The keys of the two common forms of turns.
constexpr std::array<absl::string_view, 2> kSpeakerKeys = {"role", "from"};
constexpr std::array<absl::string_view, 2> kTextKeys = {"content", "value"};

// The fields that make a form. Those with a second one need both, of which the
// second may have another name.
struct Form {
  absl::string_view field;
  std::array<absl::string_view, 2> with;
  // Counts only where none of the others is there: rows of the others often
  // have such fields besides.
  bool is_weak = false;
};

constexpr Form kForms[] = {{"conversations", {}},
                           {"messages", {}},
                           {"text", {}},
                           {"input_ids", {}},
                           {"conversation", {}, true},
                           {"dialog", {}, true},
                           {"dialogue", {}, true},
                           {"chat", {}, true},
                           {"instruction", {"output", "response"}, true},
                           {"prompt", {"completion", "response"}, true}};

// Cut short.
std::string Shown(const base::Json& value) {
  constexpr size_t kMaxShown = 60;
  if (value.is_structured()) return absl::StrCat("a JSON ", value.type_name());
  std::string text =
      value.dump(-1, ' ', false, base::Json::error_handler_t::replace);
  if (text.size() > kMaxShown) text = text.substr(0, kMaxShown) + "...";
  return text;
}

// "A" or "B".
std::string Either(const std::array<absl::string_view, 2>& keys) {
  return absl::StrCat("\"", keys[0], "\" or \"", keys[1], "\"");
}

// The one of the keys that the turn has, whatever is under it.
absl::StatusOr<absl::string_view> KeyOf(
    const base::Json& turn, const std::array<absl::string_view, 2>& keys) {
  const bool has_first = turn.contains(std::string(keys[0]));
  if (has_first && turn.contains(std::string(keys[1]))) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected ", Either(keys), ", found both"));
  }
  if (has_first || turn.contains(std::string(keys[1])))
    return keys[has_first ? 0 : 1];
  return absl::InvalidArgumentError(
      absl::StrCat("expected the field ", Either(keys), ", found neither"));
}

absl::StatusOr<std::string> ParseRole(const base::Json& turn) {
  MOE_ASSIGN_OR_RETURN(const absl::string_view key, KeyOf(turn, kSpeakerKeys));
  const base::Json& value = turn[std::string(key)];
  if (!value.is_string()) {
    return absl::InvalidArgumentError(
        absl::StrCat(key, ": expected a string, found ", Shown(value)));
  }
  std::string name = value.get<std::string>();
  if (RoleOf(name).has_value()) return name;
  return absl::InvalidArgumentError(
      absl::StrCat(key, ": expected one of ",
                   absl::StrJoin(kNamedRoles, ", ",
                                 [](std::string* out, const NamedRole& named) {
                                   absl::StrAppend(out, "\"", named.name, "\"");
                                 }),
                   ", found ", Shown(value)));
}

// One of a content's parts.
absl::StatusOr<std::string> ParsePart(const base::Json& part) {
  if (part.is_string()) return part.get<std::string>();
  if (!part.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected a part of type \"text\", found ", Shown(part)));
  }
  MOE_ASSIGN_OR_RETURN(const std::string type,
                       base::GetOr<std::string>(part, "type", "text"));
  if (type != "text") {
    return absl::InvalidArgumentError(
        absl::StrCat("expected a part of type \"text\", found a part of type ",
                     Shown(base::Json(type))));
  }
  return base::Get<std::string>(part, "text");
}

// A text, or a list of parts.
absl::StatusOr<std::string> ParseContent(absl::string_view field,
                                         const base::Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": expected a string, found ", Shown(value)));
  }
  std::string text;
  for (size_t i = 0; i < value.size(); ++i) {
    const absl::StatusOr<std::string> part = ParsePart(value[i]);
    if (!part.ok()) {
      return base::Annotate(part.status(), absl::StrCat(field, "[", i, "]"));
    }
    text += *part;
  }
  return text;
}

// What is under a field that may be absent.
absl::StatusOr<std::string> ContentOr(const base::Json& row,
                                      absl::string_view field,
                                      absl::string_view otherwise) {
  const base::Json* const value = base::FindField(row, field);
  if (value == nullptr) return std::string(otherwise);
  return ParseContent(field, *value);
}

// The text of a function_call, {"name": ..., "arguments": ...}, as the
// tool_calls of a message.
absl::StatusOr<std::string> ToolCallsOf(const std::string& text) {
  MOE_ASSIGN_OR_RETURN(const base::Json call, base::ParseJson(text));
  base::Json calls = base::Json::array();
  for (const base::Json& one :
       call.is_array() ? call : base::Json::array({call})) {
    calls.push_back({{"type", "function"}, {"function", one}});
  }
  return calls.dump();
}

absl::StatusOr<Turn> ParseTurn(const base::Json& json) {
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected an object with ", Either(kSpeakerKeys), " and ",
                     Either(kTextKeys), ", found a JSON ", json.type_name()));
  }
  Turn turn;
  MOE_ASSIGN_OR_RETURN(const std::string role, ParseRole(json));
  turn.role = *RoleOf(role);
  const base::Json* const tool_calls = base::FindField(json, "tool_calls");
  if (tool_calls != nullptr && !tool_calls->empty()) {
    turn.tool_calls = tool_calls->dump();
    const absl::StatusOr<absl::string_view> key = KeyOf(json, kTextKeys);
    if (!key.ok() || json[std::string(*key)].is_null()) return turn;
  }
  MOE_ASSIGN_OR_RETURN(const absl::string_view key, KeyOf(json, kTextKeys));
  MOE_ASSIGN_OR_RETURN(turn.text, ParseContent(key, json[std::string(key)]));
  if (role == kFunctionCall) {
    absl::StatusOr<std::string> calls = ToolCallsOf(turn.text);
    if (!calls.ok()) return base::Annotate(calls.status(), key);
    turn.tool_calls = *std::move(calls);
    turn.text.clear();
  }
  return turn;
}

absl::Status CheckArray(absl::string_view field, const base::Json& value,
                        absl::string_view of) {
  if (!value.is_array()) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": expected an array of ", of, ", found a JSON ",
                     value.type_name()));
  }
  return absl::OkStatus();
}

absl::Status AddTurns(absl::string_view field, const base::Json& list,
                      Conversation& conversation) {
  MOE_RETURN_IF_ERROR(CheckArray(field, list, "turns"));
  for (size_t i = 0; i < list.size(); ++i) {
    absl::StatusOr<Turn> turn = ParseTurn(list[i]);
    if (!turn.ok()) {
      return base::Annotate(turn.status(), absl::StrCat(field, "[", i, "]"));
    }
    conversation.turns.push_back(*std::move(turn));
  }
  return absl::OkStatus();
}

absl::StatusOr<Record> CheckAssistant(absl::string_view field,
                                      Conversation conversation) {
  bool has_assistant = conversation.turns.empty();
  for (const Turn& turn : conversation.turns) {
    has_assistant = has_assistant || turn.role == Role::kAssistant;
  }
  if (has_assistant) return Record(std::move(conversation));
  return absl::InvalidArgumentError(absl::StrCat(
      field, ": expected at least one turn of the assistant, found none"));
}

absl::StatusOr<Record> ParseConversation(absl::string_view field,
                                         const base::Json& list) {
  Conversation conversation;
  MOE_RETURN_IF_ERROR(AddTurns(field, list, conversation));
  return CheckAssistant(field, std::move(conversation));
}

// A text is a turn of that role; a list has turns of its own.
absl::Status AddText(const base::Json& row, absl::string_view field, Role role,
                     Conversation& conversation) {
  const base::Json& value = row[std::string(field)];
  const bool has_turns =
      value.is_array() && !value.empty() && value[0].is_object() &&
      (value[0].contains("role") || value[0].contains("from"));
  if (has_turns) return AddTurns(field, value, conversation);
  MOE_ASSIGN_OR_RETURN(std::string text, ParseContent(field, value));
  conversation.turns.push_back({role, std::move(text)});
  return absl::OkStatus();
}

// An instruction or a prompt, and what answers it.
absl::StatusOr<Record> ParsePair(const base::Json& row, absl::string_view field,
                                 absl::string_view answer) {
  Conversation conversation;
  MOE_ASSIGN_OR_RETURN(std::string system, ContentOr(row, "system", ""));
  if (!system.empty()) {
    conversation.turns.push_back({Role::kSystem, std::move(system)});
  }
  MOE_RETURN_IF_ERROR(AddText(row, field, Role::kUser, conversation));
  if (field == "instruction") {
    MOE_ASSIGN_OR_RETURN(const std::string input, ContentOr(row, "input", ""));
    if (!input.empty()) {
      absl::StrAppend(&conversation.turns.back().text, "\n", input);
    }
  }
  MOE_RETURN_IF_ERROR(AddText(row, answer, Role::kAssistant, conversation));
  return CheckAssistant(answer, std::move(conversation));
}

// An integer of [0, vocab_size).
std::optional<int32_t> ParseId(const base::Json& value, int64_t vocab_size) {
  // The parser makes every integer that is not negative an unsigned one.
  if (!value.is_number_unsigned()) return std::nullopt;
  const uint64_t id = value.get<uint64_t>();
  if (id >= static_cast<uint64_t>(vocab_size)) return std::nullopt;
  return static_cast<int32_t>(id);
}

// Integers of [0, vocab_size), and kIgnoredLabel if it is allowed.
absl::StatusOr<std::vector<int32_t>> ParseIds(absl::string_view field,
                                              const base::Json& list,
                                              int64_t vocab_size,
                                              bool allow_ignored) {
  MOE_RETURN_IF_ERROR(CheckArray(field, list, "token ids"));
  std::vector<int32_t> ids;
  ids.reserve(list.size());
  for (const base::Json& json : list) {
    const std::optional<int32_t> id = ParseId(json, vocab_size);
    const bool is_ignored = allow_ignored && json.is_number_integer() &&
                            json == base::kIgnoredLabel;
    if (!id.has_value() && !is_ignored) {
      return absl::InvalidArgumentError(absl::StrCat(
          field, "[", ids.size(), "]: expected a token id from 0 to ",
          vocab_size - 1, allow_ignored ? ", or -100" : "", ", found ",
          Shown(json)));
    }
    ids.push_back(id.value_or(base::kIgnoredLabel));
  }
  return ids;
}

// Leaves out the tokens whose mask is 0.
absl::Status ApplyMask(const base::Json& mask, TokenIds& tokens) {
  constexpr char kField[] = "attention_mask";
  MOE_RETURN_IF_ERROR(CheckArray(kField, mask, "0 and 1"));
  if (mask.size() != tokens.input_ids.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(kField, ": expected ", tokens.input_ids.size(),
                     " entries, as in input_ids, found ", mask.size()));
  }
  size_t num_kept = 0;
  for (size_t i = 0; i < mask.size(); ++i) {
    const std::optional<int32_t> is_token = ParseId(mask[i], 2);
    if (!is_token.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat(
          kField, "[", i, "]: expected 0 or 1, found ", Shown(mask[i])));
    }
    if (*is_token == 0) continue;
    tokens.input_ids[num_kept] = tokens.input_ids[i];
    tokens.labels[num_kept] = tokens.labels[i];
    ++num_kept;
  }
  tokens.input_ids.resize(num_kept);
  tokens.labels.resize(num_kept);
  return absl::OkStatus();
}

absl::StatusOr<Record> ParseTokenIds(const base::Json& row,
                                     int64_t vocab_size) {
  TokenIds tokens;
  MOE_ASSIGN_OR_RETURN(tokens.input_ids, ParseIds("input_ids", row["input_ids"],
                                                  vocab_size, false));
  tokens.labels = tokens.input_ids;
  const base::Json* const labels = base::FindField(row, "labels");
  if (labels != nullptr) {
    MOE_ASSIGN_OR_RETURN(tokens.labels,
                         ParseIds("labels", *labels, vocab_size, true));
  }
  if (tokens.labels.size() != tokens.input_ids.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "labels: expected ", tokens.input_ids.size(),
        " entries, as in input_ids, found ", tokens.labels.size()));
  }
  const base::Json* const mask = base::FindField(row, "attention_mask");
  if (mask != nullptr) MOE_RETURN_IF_ERROR(ApplyMask(*mask, tokens));
  return Record(std::move(tokens));
}

// The second field that a form has; empty where the row lacks it.
absl::string_view SecondField(const base::Json& row, const Form& form) {
  for (const absl::string_view with : form.with) {
    if (base::FindField(row, with) != nullptr) return with;
  }
  return "";
}

bool HasForm(const base::Json& row, const Form& form) {
  const base::Json* const value = base::FindField(row, form.field);
  if (value == nullptr) return false;
  if (!form.with[0].empty()) return !SecondField(row, form).empty();
  // Words that say many things are turns where they are a list.
  return !form.is_weak || value->is_array();
}

// "A", or "A" with "B".
std::string FormName(const Form& form) {
  return form.with[0].empty()
             ? absl::StrCat("\"", form.field, "\"")
             : absl::StrCat("\"", form.field, "\" with \"", form.with[0], "\"");
}

absl::StatusOr<const Form*> FormOf(const base::Json& row) {
  const Form* found = nullptr;
  for (const Form& form : kForms) {
    if (!HasForm(row, form)) continue;
    if (found != nullptr && form.is_weak && !found->is_weak) continue;
    if (found != nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(
          "expected one of ", FormName(*found), " and ", FormName(form),
          ", found both; remove one, or name the field of the text with "
          "--text_column"));
    }
    found = &form;
  }
  if (found != nullptr) return found;
  std::string null_field;
  for (const Form& form : kForms) {
    if (row.contains(std::string(form.field)) &&
        row[std::string(form.field)].is_null()) {
      null_field = absl::StrCat(" (\"", form.field, "\" is null)");
      break;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "expected one of the fields ",
      absl::StrJoin(kForms, ", ",
                    [](std::string* out, const Form& form) {
                      absl::StrAppend(out, FormName(form));
                    }),
      ", found none", null_field, "; name another with --text_column"));
}

absl::StatusOr<Record> ParseText(const base::Json& row,
                                 absl::string_view field) {
  MOE_ASSIGN_OR_RETURN(std::string text, base::Get<std::string>(row, field));
  return Record(PlainText{std::move(text)});
}

}  // namespace

absl::string_view RoleName(Role role) {
  switch (role) {
    case Role::kSystem:
      return "system";
    case Role::kUser:
      return "user";
    case Role::kAssistant:
      return "assistant";
    case Role::kTool:
      return "tool";
  }
  return "";
}

std::optional<Role> RoleOf(absl::string_view name) {
  for (const NamedRole& named : kNamedRoles) {
    if (named.name == name) return named.role;
  }
  return std::nullopt;
}

bool IsEmpty(const Record& record) {
  if (const auto* conversation = std::get_if<Conversation>(&record)) {
    return conversation->turns.empty();
  }
  if (const auto* text = std::get_if<PlainText>(&record)) {
    return text->text.empty();
  }
  return std::get<TokenIds>(record).input_ids.empty();
}

absl::StatusOr<Record> ParseRecord(absl::string_view row, int64_t vocab_size,
                                   absl::string_view text_column) {
  MOE_ASSIGN_OR_RETURN(const base::Json json, base::ParseJsonObject(row));
  if (!text_column.empty()) return ParseText(json, text_column);
  MOE_ASSIGN_OR_RETURN(const Form* const form, FormOf(json));
  if (form->field == "text") return ParseText(json, form->field);
  if (form->field == "input_ids") return ParseTokenIds(json, vocab_size);
  if (!form->with[0].empty()) {
    return ParsePair(json, form->field, SecondField(json, *form));
  }
  return ParseConversation(form->field, json[std::string(form->field)]);
}

}  // namespace moe::text
