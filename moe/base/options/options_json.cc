#include "moe/base/options/options_json.h"

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "moe/base/json.h"
#include "moe/base/options/options.h"

namespace moe::base {
namespace {

using ::google::protobuf::FieldDescriptor;

Json ValueToJson(const google::protobuf::Message& options,
                 const FieldDescriptor& field) {
  const google::protobuf::Reflection& values = *options.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT64:
      return values.GetInt64(options, &field);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return values.GetDouble(options, &field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return values.GetBool(options, &field);
    default:
      return OptionText(options, field);
  }
}

}  // namespace

Json OptionsToJson(const google::protobuf::Message& options,
                   absl::Span<const absl::string_view> left_out) {
  Json json = Json::object();
  for (const FieldDescriptor* field : OptionFields(options, left_out)) {
    if (options.GetReflection()->HasField(options, field) ||
        field->has_default_value()) {
      json[std::string(field->name())] = ValueToJson(options, *field);
    }
  }
  return json;
}

}  // namespace moe::base
