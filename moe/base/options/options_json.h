// The options of a step in its report.

#ifndef MOE_BASE_OPTIONS_OPTIONS_JSON_H_
#define MOE_BASE_OPTIONS_OPTIONS_JSON_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/message.h"
#include "moe/base/json.h"

namespace moe::base {

// {"num_experts": 8, "criterion": "max"}: each option that is set or has a
// default, in the order of its declaration, but for those named in `left_out`.
// Choices are in small letters.
Json OptionsToJson(const google::protobuf::Message& options,
                   absl::Span<const absl::string_view> left_out = {});

}  // namespace moe::base

#endif  // MOE_BASE_OPTIONS_OPTIONS_JSON_H_
