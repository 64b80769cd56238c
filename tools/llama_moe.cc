// llama_moe: converts dense LLaMA checkpoints to Mixture-of-Experts
// checkpoints. `llama_moe --help` lists its commands; they live in tools/cli/.

#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "tools/cli/commands.h"

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  // `bazel run` starts programs in a folder of its own and says where the user
  // is; paths on the command line are relative to there.
  const char* const directory = std::getenv("BUILD_WORKING_DIRECTORY");
  if (directory != nullptr && ::chdir(directory) != 0) {
    std::cerr << "llama_moe: cannot enter " << directory << "\n";
    return 2;
  }
  const std::vector<std::string> args(argv + (argc > 0 ? 1 : 0), argv + argc);
  return moe::cli::RunLlamaMoe(args, std::cout, std::cerr);
}
