// Loads the library of all code that uses LibTorch when a program first needs
// it.
//
// LibTorch maps some 300 shared libraries and takes most of a second to start,
// so no program links it. A function of the plugin is extern "C" and declared
// in a header that both sides include; what it returns, it writes to its last
// argument:
//
//   MOE_ASSIGN_OR_RETURN(auto* const format,
//                        MOE_TORCH_FUNCTION(llama_moe_torch_format_pt));
//   format(value, archive);
//
// C++ types cross the border. That is safe as one compiler builds both sides
// and both use one Abseil, which loading checks.

#ifndef MOE_BASE_TORCH_PLUGIN_H_
#define MOE_BASE_TORCH_PLUGIN_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"

namespace moe::base {

// The function of the plugin that a header declares under this name, as
// absl::StatusOr<Function*>. Loads the plugin, which stays for the life of the
// process. Loading leaves the calling thread the floating-point modes of
// SetFloatEnvironment. Thread-safe.
//   NotFound            there is no plugin; names the places
//   FailedPrecondition  the plugin cannot be loaded, is of another build, or
//                       has no such function
#define MOE_TORCH_FUNCTION(function) \
  ::moe::base::internal::TorchFunction<decltype(function)>(#function)

// What has to be the same on both sides.
struct TorchPluginIdentity {
  // The version of the functions and types at the border, and the compiler.
  const char* build;
  // A function of Abseil.
  const void* abseil;
};

// Raise the number when a function or a type at the border changes.
inline TorchPluginIdentity ThisTorchPluginIdentity() {
  return {"border 1, compiler " __VERSION__,
          reinterpret_cast<const void*>(&absl::StatusCodeToString)};
}

// The plugin's own.
extern "C" TorchPluginIdentity llama_moe_torch_identity();

namespace internal {

// Where the plugin of `program`, a path, may be. The first that exists counts.
//   $MOE_TORCH_PLUGIN, and nothing else where that is set
//   beside the program
//   ../lib/llama_moe from there
//   the runfiles of the program, and of the test that runs it
std::vector<std::string> TorchPluginPaths(const std::string& program);

// The address of `name` in the plugin at the first of `paths` that exists.
absl::StatusOr<void*> FindInTorchPlugin(const std::vector<std::string>& paths,
                                        const char* name);

// The same, in the plugin of this program.
absl::StatusOr<void*> FindInTorchPlugin(const char* name);

template <typename Function>
absl::StatusOr<Function*> TorchFunction(const char* name) {
  MOE_ASSIGN_OR_RETURN(void* const address, FindInTorchPlugin(name));
  return reinterpret_cast<Function*>(address);
}

}  // namespace internal
}  // namespace moe::base

#endif  // MOE_BASE_TORCH_PLUGIN_H_
