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
#include "moe/base/status_macros.h"
#include "moe/checkpoint/json.h"

namespace moe {
namespace {

struct NamedRole {
  absl::string_view name;
  Role role;
};

// How a form of conversations writes its turns.
struct TurnForm {
  absl::string_view list;
  absl::string_view speaker;
  absl::string_view text;
  std::array<NamedRole, 3> roles;
};

constexpr TurnForm kShareGpt = {"conversations",
                                "from",
                                "value",
                                {{{"human", Role::kUser},
                                  {"gpt", Role::kAssistant},
                                  {"system", Role::kSystem}}}};
constexpr TurnForm kMessages = {"messages",
                                "role",
                                "content",
                                {{{"user", Role::kUser},
                                  {"assistant", Role::kAssistant},
                                  {"system", Role::kSystem}}}};

constexpr absl::string_view kForms =
    "\"conversations\", \"messages\", \"text\" or \"input_ids\"";

// Cut short.
std::string Shown(const Json& value) {
  constexpr size_t kMaxShown = 60;
  if (value.is_structured()) return absl::StrCat("a JSON ", value.type_name());
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kMaxShown) text = text.substr(0, kMaxShown) + "...";
  return text;
}

absl::StatusOr<Role> ParseRole(const TurnForm& form, const Json& turn) {
  MOE_ASSIGN_OR_RETURN(const std::string name,
                       Get<std::string>(turn, form.speaker));
  for (const NamedRole& named : form.roles) {
    if (named.name == name) return named.role;
  }
  return absl::InvalidArgumentError(
      absl::StrCat(form.speaker, " is ", Shown(Json(name)), "; wanted is ",
                   absl::StrJoin(form.roles, " or ",
                                 [](std::string* out, const NamedRole& named) {
                                   absl::StrAppend(out, "\"", named.name, "\"");
                                 })));
}

absl::StatusOr<Turn> ParseTurn(const TurnForm& form, const Json& json) {
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the turn is a JSON ", json.type_name(),
                     "; wanted is an object with \"", form.speaker, "\" and \"",
                     form.text, "\""));
  }
  Turn turn;
  MOE_ASSIGN_OR_RETURN(turn.role, ParseRole(form, json));
  MOE_ASSIGN_OR_RETURN(turn.text, Get<std::string>(json, form.text));
  return turn;
}

absl::Status CheckArray(absl::string_view field, const Json& value,
                        absl::string_view of) {
  if (!value.is_array()) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, " is a JSON ", value.type_name(),
                     "; wanted is an array of ", of));
  }
  if (!value.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is empty; wanted is at least one of ", of));
}

absl::StatusOr<Record> ParseConversation(const TurnForm& form,
                                         const Json& list) {
  MOE_RETURN_IF_ERROR(CheckArray(form.list, list, "turns"));
  Conversation conversation;
  for (const Json& json : list) {
    absl::StatusOr<Turn> turn = ParseTurn(form, json);
    if (!turn.ok()) {
      return Annotate(
          turn.status(),
          absl::StrCat(form.list, "[", conversation.turns.size(), "]"));
    }
    conversation.turns.push_back(*std::move(turn));
  }
  for (const Turn& turn : conversation.turns) {
    if (turn.role == Role::kAssistant) return Record(std::move(conversation));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      form.list, " has no turn of the assistant (\"", form.speaker, "\": \"",
      form.roles[1].name, "\"); wanted is at least one"));
}

// An integer of [0, vocab_size).
std::optional<int32_t> ParseId(const Json& value, int64_t vocab_size) {
  // The parser makes every integer that is not negative an unsigned one.
  if (!value.is_number_unsigned()) return std::nullopt;
  const uint64_t id = value.get<uint64_t>();
  if (id >= static_cast<uint64_t>(vocab_size)) return std::nullopt;
  return static_cast<int32_t>(id);
}

// Integers of [0, vocab_size), and kIgnoredLabel if it is allowed.
absl::StatusOr<std::vector<int32_t>> ParseIds(absl::string_view field,
                                              const Json& list,
                                              int64_t vocab_size,
                                              bool allow_ignored) {
  MOE_RETURN_IF_ERROR(CheckArray(field, list, "token ids"));
  std::vector<int32_t> ids;
  ids.reserve(list.size());
  for (const Json& json : list) {
    const std::optional<int32_t> id = ParseId(json, vocab_size);
    const bool is_ignored =
        allow_ignored && json.is_number_integer() && json == kIgnoredLabel;
    if (!id.has_value() && !is_ignored) {
      return absl::InvalidArgumentError(
          absl::StrCat(field, "[", ids.size(), "] is ", Shown(json),
                       "; wanted is a token id, 0 to ", vocab_size - 1,
                       allow_ignored ? ", or -100" : ""));
    }
    ids.push_back(id.value_or(kIgnoredLabel));
  }
  return ids;
}

absl::StatusOr<Record> ParseTokenIds(const Json& line, int64_t vocab_size) {
  TokenIds tokens;
  MOE_ASSIGN_OR_RETURN(
      tokens.input_ids,
      ParseIds("input_ids", line["input_ids"], vocab_size, false));
  const Json* const labels = FindField(line, "labels");
  if (labels == nullptr) {
    tokens.labels = tokens.input_ids;
    return Record(std::move(tokens));
  }
  MOE_ASSIGN_OR_RETURN(tokens.labels,
                       ParseIds("labels", *labels, vocab_size, true));
  if (tokens.labels.size() == tokens.input_ids.size()) {
    return Record(std::move(tokens));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "labels has ", tokens.labels.size(), " entries and input_ids has ",
      tokens.input_ids.size(), "; wanted is the same number"));
}

// Which of the four forms the line has.
absl::StatusOr<absl::string_view> FormOf(const Json& line) {
  absl::string_view found;
  for (const absl::string_view form :
       {kShareGpt.list, kMessages.list, absl::string_view("text"),
        absl::string_view("input_ids")}) {
    if (FindField(line, form) == nullptr) continue;
    if (!found.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("has both \"", found, "\" and \"", form,
                       "\"; wanted is one of ", kForms));
    }
    found = form;
  }
  if (!found.empty()) return found;
  return absl::InvalidArgumentError(
      absl::StrCat("there is none of the fields ", kForms));
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
  }
  return "";
}

absl::StatusOr<Record> ParseRecord(absl::string_view line, int64_t vocab_size) {
  MOE_ASSIGN_OR_RETURN(const Json json, ParseJsonObject(line));
  MOE_ASSIGN_OR_RETURN(const absl::string_view form, FormOf(json));
  if (form == kShareGpt.list) {
    return ParseConversation(kShareGpt, json[std::string(form)]);
  }
  if (form == kMessages.list) {
    return ParseConversation(kMessages, json[std::string(form)]);
  }
  if (form == "input_ids") return ParseTokenIds(json, vocab_size);
  MOE_ASSIGN_OR_RETURN(std::string text, Get<std::string>(json, "text"));
  return Record(PlainText{std::move(text)});
}

}  // namespace moe
