#include "tools/cli/common_flags.h"

#include <string>

#include "moe/base/options/option.pb.h"
#include "moe/steps/walk_session.h"
#include "tools/cli/flag_set.h"

namespace moe::cli {

void AddModelPath(FlagSet& flags, const std::string& what,
                  const std::string& positional, std::string* value) {
  flags.AddString({.names = {kModelPathFlag, kModelPathAlias},
                   .positional = positional,
                   .what = what,
                   .required = true,
                   .path = Option::MODEL_PATH},
                  value);
}

void AddJson(FlagSet& flags, bool* value) {
  flags.AddBool({.names = {"json"}, .what = "print JSON instead of a table"},
                value);
}

void AddMemoryBudget(FlagSet& flags, std::string* value) {
  flags.AddString({.names = {"memory_budget"},
                   .what = "memory for weights and activations, such as 2GiB; "
                           "the rest is read again or spilled to TMPDIR; three "
                           "quarters of what is available where it is not "
                           "given. No result depends on it"},
                  value);
}

}  // namespace moe::cli
