// The options of a step as flags of its command.
//
// A command's flags are called after the fields of the library's options, so
// one rule serves all of them: `--FIELD=VALUE`.

#ifndef MOE_EXPERIMENT_OPTION_FLAGS_H_
#define MOE_EXPERIMENT_OPTION_FLAGS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/message.h"

namespace moe {

// A flag for every field, in the order of the field's numbers: integers in
// decimal, doubles with the fewest digits that give them back, enums by their
// names in lower case. A field that may be absent, and is, is left to the
// command; every other is written, as the command's default need not be zero.
// But a false bool is: no switch is on by default. `left_out` names fields that
// are no flags. Fields are of these types only: CHECK.
std::vector<std::string> OptionFlags(
    const google::protobuf::Message& options,
    absl::Span<const absl::string_view> left_out = {});

// The shortest decimal that reads back as `value`: "0.4".
std::string FormatShortest(double value);

}  // namespace moe

#endif  // MOE_EXPERIMENT_OPTION_FLAGS_H_
