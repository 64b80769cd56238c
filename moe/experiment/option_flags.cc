#include "moe/experiment/option_flags.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "moe/base/check.h"

namespace moe {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;

// Empty for a false bool that is never unset.
std::string ValueOf(const Message& options, const FieldDescriptor& field) {
  const google::protobuf::Reflection& values = *options.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(values.GetInt64(options, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return FormatShortest(values.GetDouble(options, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      if (values.GetBool(options, &field)) return "true";
      return field.has_presence() ? "false" : "";
    case FieldDescriptor::CPPTYPE_STRING:
      return values.GetString(options, &field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return absl::AsciiStrToLower(
          std::string(values.GetEnum(options, &field)->name()));
    default:
      break;
  }
  MOE_CHECK(false);
  return "";
}

}  // namespace

std::string FormatShortest(double value) {
  char digits[32];
  const auto result =
      std::to_chars(std::begin(digits), std::end(digits), value);
  return std::string(std::begin(digits), result.ptr);
}

std::vector<std::string> OptionFlags(
    const Message& options, absl::Span<const absl::string_view> left_out) {
  const google::protobuf::Descriptor& type = *options.GetDescriptor();
  const google::protobuf::Reflection& values = *options.GetReflection();
  std::vector<std::string> flags;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const std::string name(field.name());
    if (std::find(left_out.begin(), left_out.end(), name) != left_out.end()) {
      continue;
    }
    if (field.has_presence() && !values.HasField(options, &field)) continue;
    const std::string value = ValueOf(options, field);
    if (!value.empty()) flags.push_back(absl::StrCat("--", name, "=", value));
  }
  return flags;
}

}  // namespace moe
