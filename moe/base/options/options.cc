#include "moe/base/options/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "moe/base/check.h"
#include "moe/base/options/option.pb.h"

namespace moe::base {
namespace {

using ::google::protobuf::EnumValueDescriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;

bool IsWithin(const Option& option, double value) {
  return std::isfinite(value) &&
         (!option.has_least() || value >= option.least()) &&
         (!option.has_most() || value <= option.most()) &&
         (!option.has_above() || value > option.above());
}

// Whole numbers are printed as such.
std::string FormatBound(double bound) {
  constexpr double kExact = 9007199254740992.0;  // 2^53
  return bound == std::floor(bound) && std::abs(bound) < kExact
             ? absl::StrCat(static_cast<int64_t>(bound))
             : FormatShortest(bound);
}

absl::Status CheckOption(const Message& options, const FieldDescriptor& field) {
  const google::protobuf::Reflection& values = *options.GetReflection();
  const Option& option = OptionOf(field);
  if (!values.HasField(options, &field)) {
    if (!option.required()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        field.name(), ": expected a value (", option.what(), "), found none"));
  }
  bool is_allowed = true;
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_INT64) {
    is_allowed =
        IsWithin(option, static_cast<double>(values.GetInt64(options, &field)));
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE) {
    is_allowed = IsWithin(option, values.GetDouble(options, &field));
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    is_allowed = field.enum_type()->FindValueByNumber(
                     values.GetEnumValue(options, &field)) != nullptr;
  }
  if (is_allowed) return absl::OkStatus();
  const std::string allowed = AllowedValues(field);
  return absl::InvalidArgumentError(
      absl::StrCat(field.name(), ": expected ",
                   allowed.empty() ? "a finite number" : allowed, ", found ",
                   OptionText(options, field)));
}

absl::Status WrongText(absl::string_view want, absl::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("expected ", want, ", found \"", text, "\""));
}

absl::Status WrongNumber(absl::string_view text, absl::string_view kind,
                         const FieldDescriptor& field) {
  const std::string allowed = AllowedValues(field);
  return WrongText(absl::StrCat(kind, allowed.empty() ? "" : ", ", allowed),
                   text);
}

absl::Status SetNumber(const FieldDescriptor& field, absl::string_view text,
                       Message& options) {
  const google::protobuf::Reflection& values = *options.GetReflection();
  const Option& option = OptionOf(field);
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_INT64) {
    int64_t number = 0;
    if (!absl::SimpleAtoi(text, &number) ||
        !IsWithin(option, static_cast<double>(number))) {
      return WrongNumber(text, "a whole number", field);
    }
    values.SetInt64(&options, &field, number);
    return absl::OkStatus();
  }
  double number = 0.0;
  if (!absl::SimpleAtod(text, &number) || !IsWithin(option, number)) {
    return WrongNumber(text, "a number", field);
  }
  values.SetDouble(&options, &field, number);
  return absl::OkStatus();
}

// A switch without a default reads "auto" as unset.
absl::Status SetBool(const FieldDescriptor& field, absl::string_view text,
                     Message& options) {
  const google::protobuf::Reflection& values = *options.GetReflection();
  const bool may_be_auto = !field.has_default_value();
  if (may_be_auto && text == "auto") {
    values.ClearField(&options, &field);
    return absl::OkStatus();
  }
  if (text != "true" && text != "false") {
    return WrongText(may_be_auto ? "one of auto, true, false" : "true or false",
                     text);
  }
  values.SetBool(&options, &field, text == "true");
  return absl::OkStatus();
}

absl::Status SetChoice(const FieldDescriptor& field, absl::string_view text,
                       Message& options) {
  const EnumValueDescriptor* const value =
      field.enum_type()->FindValueByName(absl::AsciiStrToUpper(text));
  if (value == nullptr || absl::AsciiStrToLower(text) != text) {
    return WrongText(
        absl::StrCat("one of ", absl::StrJoin(ChoicesOf(field), ", ")), text);
  }
  options.GetReflection()->SetEnum(&options, &field, value);
  return absl::OkStatus();
}

bool IsRecorded(const Message& options, const FieldDescriptor& field) {
  const google::protobuf::Reflection& values = *options.GetReflection();
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL &&
      field.has_default_value()) {
    return values.GetBool(options, &field);
  }
  if (values.HasField(options, &field)) return true;
  return field.has_default_value() && !OptionOf(field).recorded_if_set();
}

}  // namespace

const Option& OptionOf(const FieldDescriptor& field) {
  return field.options().GetExtension(about);
}

std::vector<const FieldDescriptor*> OptionFields(
    const Message& options, absl::Span<const absl::string_view> left_out) {
  const google::protobuf::Descriptor& type = *options.GetDescriptor();
  std::vector<const FieldDescriptor*> fields;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const bool is_left_out = std::find(left_out.begin(), left_out.end(),
                                       field.name()) != left_out.end();
    if (!is_left_out && !OptionOf(field).what().empty()) {
      fields.push_back(&field);
    }
  }
  return fields;
}

absl::Status CheckOptions(const Message& options) {
  for (const FieldDescriptor* field : OptionFields(options)) {
    absl::Status status = CheckOption(options, *field);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

std::string AllowedValues(const FieldDescriptor& field) {
  const Option& option = OptionOf(field);
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    return absl::StrJoin(ChoicesOf(field), ", ");
  }
  if (option.has_above())
    return absl::StrCat("above ", FormatBound(option.above()));
  if (option.has_least() && option.has_most()) {
    return absl::StrCat(FormatBound(option.least()), " to ",
                        FormatBound(option.most()));
  }
  if (option.has_least()) {
    return absl::StrCat(FormatBound(option.least()), " or more");
  }
  if (option.has_most()) {
    return absl::StrCat(FormatBound(option.most()), " or less");
  }
  return "";
}

std::vector<std::string> ChoicesOf(const FieldDescriptor& field) {
  std::vector<std::string> choices;
  for (int i = 0; i < field.enum_type()->value_count(); ++i) {
    choices.push_back(absl::AsciiStrToLower(
        std::string(field.enum_type()->value(i)->name())));
  }
  return choices;
}

std::string OptionText(const Message& options, const FieldDescriptor& field) {
  const google::protobuf::Reflection& values = *options.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(values.GetInt64(options, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return FormatShortest(values.GetDouble(options, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return values.GetBool(options, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_STRING:
      return values.GetString(options, &field);
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number = values.GetEnumValue(options, &field);
      const EnumValueDescriptor* const value =
          field.enum_type()->FindValueByNumber(number);
      return value == nullptr
                 ? absl::StrCat(number)
                 : absl::AsciiStrToLower(std::string(value->name()));
    }
    default:
      break;
  }
  MOE_CHECK(false);
  return "";
}

absl::Status SetOption(const FieldDescriptor& field, absl::string_view text,
                       Message& options) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return SetBool(field, text, options);
    case FieldDescriptor::CPPTYPE_ENUM:
      return SetChoice(field, text, options);
    case FieldDescriptor::CPPTYPE_STRING:
      if (text.empty()) {
        return WrongText("a value", text);
      }
      options.GetReflection()->SetString(&options, &field, std::string(text));
      return absl::OkStatus();
    default:
      return SetNumber(field, text, options);
  }
}

std::vector<std::string> OptionFlags(
    const Message& options, absl::Span<const absl::string_view> left_out) {
  std::vector<std::string> flags;
  for (const FieldDescriptor* field : OptionFields(options, left_out)) {
    if (!IsRecorded(options, *field)) continue;
    flags.push_back(
        absl::StrCat("--", field->name(), "=", OptionText(options, *field)));
  }
  return flags;
}

std::string FormatShortest(double value) {
  char digits[32];
  const auto result =
      std::to_chars(std::begin(digits), std::end(digits), value);
  return std::string(std::begin(digits), result.ptr);
}

}  // namespace moe::base
