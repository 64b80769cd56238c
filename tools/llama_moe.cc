// llama_moe: converts dense LLaMA checkpoints to Mixture-of-Experts
// checkpoints. `llama_moe --help` lists its commands; they live in tools/cli/.

#include <iostream>
#include <string>
#include <vector>

#include "tools/cli/commands.h"

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  const std::vector<std::string> args(argv + (argc > 0 ? 1 : 0), argv + argc);
  return moe::cli::RunLlamaMoe(args, std::cout, std::cerr);
}
