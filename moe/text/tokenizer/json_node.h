// A value of a JSON document that knows its place, for errors that name it.

#ifndef MOE_TEXT_TOKENIZER_JSON_NODE_H_
#define MOE_TEXT_TOKENIZER_JSON_NODE_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/json.h"

namespace moe::text {

// The most that the tokenizers package reads into an id.
inline constexpr uint64_t kMaxUint32 = std::numeric_limits<uint32_t>::max();

// Refers to a document, which must outlive it. All errors are InvalidArgument
// with the place (as /model/merges/3), what is expected and what was found.
class JsonNode {
 public:
  explicit JsonNode(const base::SortedJson& root) : JsonNode(&root, "") {}

  const base::SortedJson& value() const { return *value_; }
  // A JSON Pointer (RFC 6901), but with names as they are; "/" for the
  // document.
  std::string path() const { return path_.empty() ? "/" : path_; }

  // The field of an object; an error if it is absent or null.
  absl::StatusOr<JsonNode> Get(absl::string_view field) const;
  // The field; none if it is absent or null.
  absl::StatusOr<std::optional<JsonNode>> Find(absl::string_view field) const;
  // The field, even if it is null; none if it is absent.
  absl::StatusOr<std::optional<JsonNode>> FindEvenNull(
      absl::string_view field) const;
  absl::StatusOr<std::vector<JsonNode>> Items() const;
  absl::StatusOr<std::vector<JsonNode>> GetItems(absl::string_view field) const;
  // The one field of an object. The tokenizers package writes a value that may
  // be one of several `choices` as {"its choice": the value}.
  struct Choice;
  absl::StatusOr<Choice> AsChoice(absl::string_view choices) const;
  // InvalidArgument if the object has other fields than these.
  absl::Status OnlyFields(absl::Span<const absl::string_view> known) const;

  absl::StatusOr<std::string> AsString() const;
  // A string of one character.
  absl::StatusOr<std::string> AsCharacter() const;
  absl::StatusOr<bool> AsBool() const;
  absl::StatusOr<int64_t> AsInt(int64_t min, int64_t max) const;
  // A whole number from 0 to `max`.
  absl::StatusOr<uint64_t> AsUnsigned(uint64_t max) const;

  absl::StatusOr<std::string> GetString(absl::string_view field) const;
  absl::StatusOr<bool> GetBool(absl::string_view field) const;
  absl::StatusOr<bool> GetBoolOr(absl::string_view field, bool value) const;
  // None if the field is absent or null.
  absl::StatusOr<std::optional<bool>> FindBool(absl::string_view field) const;
  absl::StatusOr<std::optional<std::string>> FindString(
      absl::string_view field) const;

  absl::Status Error(absl::string_view what) const;
  absl::Status WrongType(absl::string_view expected) const;
  // Unimplemented, for the type that the node names.
  absl::Status UnknownType(absl::string_view type,
                           absl::string_view implemented) const;

 private:
  JsonNode(const base::SortedJson* value, std::string path)
      : value_(value), path_(std::move(path)) {}

  const base::SortedJson* value_;
  std::string path_;
};

struct JsonNode::Choice {
  std::string name;
  JsonNode value;
};

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_JSON_NODE_H_
