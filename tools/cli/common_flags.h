// Flags that several commands have, declared in one place so that they read and
// mean the same everywhere.

#ifndef TOOLS_CLI_COMMON_FLAGS_H_
#define TOOLS_CLI_COMMON_FLAGS_H_

#include <string>

#include "tools/cli/flag_set.h"

namespace moe::cli {

inline constexpr char kModelPathAlias[] = "model_name_or_path";

// --model_path, alias --model_name_or_path, required. With `positional`, the
// value may also stand alone under that name.
void AddModelPath(FlagSet& flags, const std::string& what,
                  const std::string& positional, std::string* value);

// --json
void AddJson(FlagSet& flags, bool* value);

// --memory_budget; see MemoryBudgetOf.
void AddMemoryBudget(FlagSet& flags, std::string* value);

}  // namespace moe::cli

#endif  // TOOLS_CLI_COMMON_FLAGS_H_
