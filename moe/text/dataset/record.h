// One row of a dataset, parsed: a conversation, a text, or token ids.
//
// The forms, of which a row has one:
//   {"messages": [{"role": "user", "content": "..."}, ...]}
//   {"conversations": [{"from": "human", "value": "..."}, ...]}
//   {"instruction": "...", "input": "...", "output": "..."}
//   {"prompt": ..., "completion": ...}
//   {"text": "..."}
//   {"input_ids": [...], "labels": [...], "attention_mask": [...]}
//
// It has only one of "messages", "conversations", "text" and "input_ids", which
// counts whatever else there is. Turns may stand under "conversation",
// "dialog", "dialogue" or "chat" as well, and have either pair of keys. Roles
// are those of RoleOf. A content may be a list of parts {"type": "text",
// "text": "..."}, which follow one another. An instruction and its input, where
// that is not empty, are a user's turn with a line break between them;
// "output", or "response", is the assistant's. A prompt and a completion are a
// user's and the assistant's turn, or lists of turns. A "system" beside either
// is a system turn before them.
//
// Other fields are passed over, and a field that is null counts as absent.
// Labels may be absent: then every token is one, as for a text. A token whose
// attention_mask is 0 is none.
//
// A conversation needs at least one turn of the assistant: without, nothing of
// it would be learnt or measured. Turns may come in any order, and two of the
// same speaker one after another stay two turns, as published datasets have
// them. An empty list of turns or ids, and an empty text, make an empty record.

#ifndef MOE_TEXT_DATASET_RECORD_H_
#define MOE_TEXT_DATASET_RECORD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe::text {

enum class Role { kSystem, kUser, kAssistant, kTool };

// "system", "user", "assistant", "tool".
absl::string_view RoleName(Role role);

// The role of a name that datasets use: "human" is a user, "gpt" an assistant,
// "observation" a tool. "function_call" is an assistant whose text is a call.
std::optional<Role> RoleOf(absl::string_view name);

struct Turn {
  Role role = Role::kUser;
  std::string text;  // UTF-8
  // The JSON of an assistant's "tool_calls"; empty without.
  std::string tool_calls = "";

  friend bool operator==(const Turn&, const Turn&) = default;
};

struct Conversation {
  std::vector<Turn> turns;

  friend bool operator==(const Conversation&, const Conversation&) = default;
};

struct PlainText {
  std::string text;  // UTF-8

  friend bool operator==(const PlainText&, const PlainText&) = default;
};

struct TokenIds {
  std::vector<int32_t> input_ids;
  // As many as ids: the id of a token, or kIgnoredLabel.
  std::vector<int32_t> labels;

  friend bool operator==(const TokenIds&, const TokenIds&) = default;
};

using Record = std::variant<Conversation, PlainText, TokenIds>;

// Whether there is no turn, no character or no token in it.
bool IsEmpty(const Record& record);

// The record of a row in JSON. `vocab_size` bounds token ids: each has to lie
// in [0, vocab_size). A `text_column` that is not empty names the field that is
// the text, whatever else there is. InvalidArgument, with the field at fault,
// what was expected and what was found, if the row is malformed.
absl::StatusOr<Record> ParseRecord(absl::string_view row, int64_t vocab_size,
                                   absl::string_view text_column = "");

}  // namespace moe::text

#endif  // MOE_TEXT_DATASET_RECORD_H_
