// What follows from the annotations of an options message (option.proto): its
// checks, the texts of its values, and the flags that say the same.
//
// Works by reflection on every message whose fields are annotated. The Validate
// functions of the rooms check options that depend on each other.

#ifndef MOE_BASE_OPTIONS_OPTIONS_H_
#define MOE_BASE_OPTIONS_OPTIONS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "moe/base/options/option.pb.h"

namespace moe::base {

// The field's annotation. Its `what` is empty if the field is no option.
const Option& OptionOf(const google::protobuf::FieldDescriptor& field);

// The fields that are options, in the order of their declaration, without those
// whose names are in `left_out`.
std::vector<const google::protobuf::FieldDescriptor*> OptionFields(
    const google::protobuf::Message& options,
    absl::Span<const absl::string_view> left_out = {});

// OK if every option that is set is a value that its annotation allows, and
// every required one is set. Otherwise InvalidArgument "FIELD: expected
// ..., found VALUE". No number may be NaN or infinite.
absl::Status CheckOptions(const google::protobuf::Message& options);

// "1 to 1024", "0 or more", "above 0"; "l2, cos" for a choice; empty where
// everything is allowed.
std::string AllowedValues(const google::protobuf::FieldDescriptor& field);

// The values of a choice, in lower case.
std::vector<std::string> ChoicesOf(
    const google::protobuf::FieldDescriptor& field);

// The value, or the default where it is not set: "8", "0.4", "l2", "true". A
// number reads back as the same one.
std::string OptionText(const google::protobuf::Message& options,
                       const google::protobuf::FieldDescriptor& field);

// Sets the option from such a text. InvalidArgument "expected ..., found TEXT",
// without the field's name, for a text that is no value of it.
absl::Status SetOption(const google::protobuf::FieldDescriptor& field,
                       absl::string_view text,
                       google::protobuf::Message& options);

// "--num_experts=8" for each option whose name is not in `left_out`, as a lock
// records them. Leaves out switches that are off, and unset options with
// `recorded_if_set`.
std::vector<std::string> OptionFlags(
    const google::protobuf::Message& options,
    absl::Span<const absl::string_view> left_out = {});

// The shortest text that reads back as the same number.
std::string FormatShortest(double value);

}  // namespace moe::base

#endif  // MOE_BASE_OPTIONS_OPTIONS_H_
