#include "tools/cli/common_flags.h"

#include <string>

#include "tools/cli/flag_set.h"

namespace moe::cli {

void AddModelPath(FlagSet& flags, const std::string& what,
                  const std::string& positional, std::string* value) {
  flags.AddString({.names = {"model_path", "model_name_or_path"},
                   .positional = positional,
                   .what = what,
                   .required = true,
                   .path = PathRole::kModel},
                  value);
}

void AddJson(FlagSet& flags, bool* value) {
  flags.AddBool({.names = {"json"}, .what = "print JSON instead of a table"},
                value);
}

}  // namespace moe::cli
