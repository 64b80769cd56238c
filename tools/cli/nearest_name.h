// Finds the name that a mistyped one was probably meant to be.

#ifndef TOOLS_CLI_NEAREST_NAME_H_
#define TOOLS_CLI_NEAREST_NAME_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace moe::cli {

// How many characters must be inserted, removed, replaced or swapped with their
// neighbours to make one text of the other.
int EditDistance(absl::string_view a, absl::string_view b);

// Those of `names` that are nearest to `name`, in their order; none if all are
// too far for it to be a mistake in typing. A name that starts with `name`, or
// differs only in its dashes and underscores, is near.
std::vector<std::string> NearestNames(absl::string_view name,
                                      const std::vector<std::string>& names);

// "; did you mean --model_path?", or nothing.
std::string DidYouMean(absl::string_view name,
                       const std::vector<std::string>& names);

}  // namespace moe::cli

#endif  // TOOLS_CLI_NEAREST_NAME_H_
