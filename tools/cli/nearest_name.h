// Finds the names that a mistyped name may stand for.

#ifndef TOOLS_CLI_NEAREST_NAME_H_
#define TOOLS_CLI_NEAREST_NAME_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace moe::cli {

// The number of characters to insert, remove, replace, or swap with a
// neighbour, to turn one text into the other.
int EditDistance(absl::string_view a, absl::string_view b);

// The names nearest to `name`, in the order of `names`. None if all of them
// differ too much for a typing mistake. A name that starts with `name`, or
// differs only in dashes and underscores, is near.
std::vector<std::string> NearestNames(absl::string_view name,
                                      const std::vector<std::string>& names);

// "; did you mean --model_path?", or nothing.
std::string DidYouMean(absl::string_view name,
                       const std::vector<std::string>& names);

}  // namespace moe::cli

#endif  // TOOLS_CLI_NEAREST_NAME_H_
