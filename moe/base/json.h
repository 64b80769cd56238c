// JSON documents: strict, bounded, and in the order of the file.

#ifndef MOE_BASE_JSON_H_
#define MOE_BASE_JSON_H_

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace moe::base {

// Keeps the order of the fields, so that a document that is read and written
// again differs only in the changed fields.
using Json = nlohmann::ordered_json;

// Sorts the fields and finds them in logarithmic time: for objects with a field
// for every tensor.
using SortedJson = nlohmann::json;

// Deeper than any file of a checkpoint nests.
inline constexpr int kMaxJsonDepth = 64;

// More than any object of a configuration has. An ordered object of n fields
// takes n^2 / 2 comparisons to build.
inline constexpr size_t kMaxJsonFields = 10000;

// InvalidArgument, with the byte, if the text is not JSON (UTF-8, RFC 8259), if
// an object has a field twice, which readers resolve in different ways, or more
// than kMaxJsonFields, or if it nests deeper than kMaxJsonDepth.
absl::StatusOr<Json> ParseJson(absl::string_view text);
// Without the limit on fields.
absl::StatusOr<SortedJson> ParseSortedJson(absl::string_view text);

// As ParseJson; InvalidArgument if the document is not an object.
absl::StatusOr<Json> ParseJsonObject(absl::string_view text);

// As Python's json.dumps(value, indent=2, ensure_ascii=False), then a newline.
// The Hugging Face libraries write this form; they may escape text beyond ASCII
// differently.
std::string FormatJson(const Json& value);

// The field's value; the default where the field is absent or null.
// InvalidArgument "FIELD: expected ..., found ..." if it has another type.
// `T` is bool, int64_t, double or std::string.
template <typename T>
absl::StatusOr<T> GetOr(const Json& object, absl::string_view field,
                        T default_value);
// As GetOr; InvalidArgument if the field is absent or null.
template <typename T>
absl::StatusOr<T> Get(const Json& object, absl::string_view field);

// The field, or null where it is absent or null.
const Json* FindField(const Json& object, absl::string_view field);

// ---- Implementation ----

namespace internal {

template <typename T>
bool HasType(const Json& value) {
  if constexpr (std::is_same_v<T, bool>) return value.is_boolean();
  if constexpr (std::is_same_v<T, double>) return value.is_number();
  if constexpr (std::is_same_v<T, std::string>) return value.is_string();
  if constexpr (std::is_same_v<T, int64_t>) {
    return value.is_number_integer() &&
           (!value.is_number_unsigned() ||
            value.get<uint64_t>() <= uint64_t{INT64_MAX});
  }
}

template <typename T>
constexpr absl::string_view TypeName() {
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_same_v<T, double>) return "a number";
  if constexpr (std::is_same_v<T, std::string>) return "a string";
  if constexpr (std::is_same_v<T, int64_t>) return "a whole number";
}

absl::Status WrongType(absl::string_view field, const Json& got,
                       absl::string_view want);
absl::Status Missing(absl::string_view field, absl::string_view want);

}  // namespace internal

template <typename T>
absl::StatusOr<T> GetOr(const Json& object, absl::string_view field,
                        T default_value) {
  const Json* const value = FindField(object, field);
  if (value == nullptr) return default_value;
  if (!internal::HasType<T>(*value)) {
    return internal::WrongType(field, *value, internal::TypeName<T>());
  }
  return value->get<T>();
}

template <typename T>
absl::StatusOr<T> Get(const Json& object, absl::string_view field) {
  if (FindField(object, field) == nullptr) {
    return internal::Missing(field, internal::TypeName<T>());
  }
  return GetOr<T>(object, field, T());
}

}  // namespace moe::base

#endif  // MOE_BASE_JSON_H_
