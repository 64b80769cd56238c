// llama_moe: converts dense LLaMA checkpoints to Mixture-of-Experts
// checkpoints. `llama_moe --help` lists its commands; they live in tools/cli/.

#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "tools/cli/commands.h"
#include "tools/cli/stop_signals.h"

namespace {

// Activations of the same sizes are freed and taken again in every layer:
// giving their pages back in between, for the system to clear, takes a
// twentieth of a forward pass.
void KeepFreedMemory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  moe::cli::OpenStandardDescriptors();
  KeepFreedMemory();
  std::ios::sync_with_stdio(false);
  // `bazel run` starts programs in a folder of its own and says where the user
  // is; paths on the command line are relative to there.
  const char* const directory = std::getenv("BUILD_WORKING_DIRECTORY");
  if (directory != nullptr && ::chdir(directory) != 0) {
    std::cerr << "llama_moe: cannot enter " << directory << "\n";
    return 2;
  }
  const std::vector<std::string> args(argv + (argc > 0 ? 1 : 0), argv + argc);
  const bool has_command = !args.empty() && args[0].compare(0, 1, "-") != 0;
  moe::cli::InstallStopSignals(has_command ? "llama_moe " + args[0]
                                           : "llama_moe");
  return moe::cli::RunLlamaMoe(args, std::cout, std::cerr);
}
