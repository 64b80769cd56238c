#include "moe/text/dataset/json_array_reader.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/dataset/byte_stream.h"
#include "moe/text/dataset/row_reader.h"

namespace moe {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Where an element of an array ends, without a look at what it holds.
class ElementEnd {
 public:
  // Whether the element goes on with the byte.
  bool Takes(char c) {
    if (is_closed_) return false;
    if (in_string_) {
      if (is_escaped_) {
        is_escaped_ = false;
      } else if (c == '\\') {
        is_escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
      }
      return true;
    }
    if (c == '"') in_string_ = true;
    if (c == '{' || c == '[') ++depth_;
    if (depth_ == 0 && (c == ',' || c == ']' || c == '}' || IsSpace(c))) {
      return false;
    }
    if (c == '}' || c == ']') is_closed_ = --depth_ == 0;
    return true;
  }

 private:
  int64_t depth_ = 0;
  bool in_string_ = false;
  bool is_escaped_ = false;
  bool is_closed_ = false;  // By the bracket of the first.
};

}  // namespace

std::optional<char> JsonArrayReader::PeekSign() {
  std::optional<char> next = bytes_.Peek();
  while (next.has_value() && IsSpace(*next)) {
    bytes_.Skip();
    next = bytes_.Peek();
  }
  return next;
}

absl::Status JsonArrayReader::WrongSign(absl::string_view want) {
  MOE_RETURN_IF_ERROR(bytes_.status());
  const std::optional<char> next = bytes_.Peek();
  const std::string found =
      next.has_value()
          ? absl::StrCat("goes on with '", std::string(1, *next), "'")
          : "ends early";
  return absl::InvalidArgumentError(
      absl::StrCat(file().path(), ":", bytes_.line(), ": the JSON array ",
                   found, "; wanted is ", want));
}

absl::Status JsonArrayReader::CheckEnd() {
  is_done_ = true;
  if (PeekSign().has_value()) {
    return WrongSign("the end of the file behind its ']'");
  }
  return bytes_.status();
}

absl::StatusOr<bool> JsonArrayReader::FindElement() {
  const std::optional<char> next = PeekSign();
  if (!next.has_value()) return WrongSign(is_first_ ? "'['" : "',' or ']'");
  if (!is_first_ && *next == ']') {
    bytes_.Skip();
    MOE_RETURN_IF_ERROR(CheckEnd());
    return false;
  }
  if (*next != (is_first_ ? '[' : ',')) {
    return WrongSign(is_first_ ? "'['" : "',' or ']' between its elements");
  }
  bytes_.Skip();
  const std::optional<char> element = PeekSign();
  if (is_first_ && element == ']') {
    bytes_.Skip();
    MOE_RETURN_IF_ERROR(CheckEnd());
    return false;
  }
  is_first_ = false;
  if (!element.has_value() || *element == ',' || *element == ']') {
    return WrongSign("an element");
  }
  return true;
}

Row JsonArrayReader::TakeElement() {
  Row row;
  row.line = bytes_.line();
  ElementEnd end;
  bool is_too_long = false;
  for (std::optional<char> next = bytes_.Peek();
       next.has_value() && end.Takes(*next); next = bytes_.Peek()) {
    bytes_.Skip();
    if (row.text.size() == max_row_bytes_) is_too_long = true;
    if (!is_too_long) row.text.push_back(*next);
  }
  if (is_too_long) {
    row.status = RowTooLong("element of the array", max_row_bytes_);
    std::string().swap(row.text);
  }
  return row;
}

absl::StatusOr<std::optional<Row>> JsonArrayReader::Next() {
  if (is_done_) return std::optional<Row>();
  MOE_ASSIGN_OR_RETURN(const bool has_element, FindElement());
  if (!has_element) return std::optional<Row>();
  Row row = TakeElement();
  MOE_RETURN_IF_ERROR(bytes_.status());
  return std::optional<Row>(std::move(row));
}

}  // namespace moe
