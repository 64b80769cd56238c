// Runs llama_moe inside a test.

#ifndef TOOLS_CLI_TESTING_RUN_CLI_H_
#define TOOLS_CLI_TESTING_RUN_CLI_H_

#include <sstream>
#include <string>
#include <vector>

#include "tools/cli/commands.h"

namespace moe::cli::testing {

struct Outcome {
  int exit_status = -1;
  std::string out;
  std::string err;
};

inline Outcome RunCli(std::vector<std::string> args) {
  args.push_back("--progress=none");
  std::ostringstream out;
  std::ostringstream err;
  Outcome outcome;
  outcome.exit_status = RunLlamaMoe(args, out, err);
  outcome.out = out.str();
  outcome.err = err.str();
  return outcome;
}

}  // namespace moe::cli::testing

#endif  // TOOLS_CLI_TESTING_RUN_CLI_H_
