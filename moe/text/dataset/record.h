// One line of a dataset, parsed: a conversation, a text, or token ids.
//
// The forms, of which a line has exactly one:
//   {"conversations": [{"from": "human" | "gpt" | "system", "value": "..."}]}
//   {"messages": [{"role": "user" | "assistant" | "system", "content": "..."}]}
//   {"text": "..."}
//   {"input_ids": [...], "labels": [...]}
// Other fields are passed over, and a field that is null counts as absent, in
// lines and in turns. Labels may be absent: then every token is one, as for a
// text.
//
// A conversation needs at least one turn of the assistant: without, nothing of
// it would be learnt or measured. Turns may come in any order, and two of the
// same speaker one after another stay two turns, as published datasets have
// them. A text may be empty; token ids may not.

#ifndef MOE_TEXT_DATASET_RECORD_H_
#define MOE_TEXT_DATASET_RECORD_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace moe {

enum class Role { kSystem, kUser, kAssistant };

// "system", "user", "assistant".
absl::string_view RoleName(Role role);

struct Turn {
  Role role = Role::kUser;
  std::string text;  // UTF-8

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

// The record on a line. `vocab_size` bounds token ids: each has to lie in [0,
// vocab_size). InvalidArgument, with the field at fault, what was found and
// what was wanted, if the line is malformed.
absl::StatusOr<Record> ParseRecord(absl::string_view line, int64_t vocab_size);

}  // namespace moe

#endif  // MOE_TEXT_DATASET_RECORD_H_
