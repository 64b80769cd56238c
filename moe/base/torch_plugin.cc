#include "moe/base/torch_plugin.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "moe/base/file_system.h"
#include "moe/base/float_environment.h"
#include "moe/base/status_macros.h"

namespace moe::base::internal {
namespace {

constexpr char kFile[] = "libllama_moe_torch.so";
constexpr char kRunfile[] = "llama_moe/moe/torch_plugin";
constexpr char kVariable[] = "MOE_TORCH_PLUGIN";
constexpr char kIdentity[] = "llama_moe_torch_identity";

// What dlopen and dlsym say after a failure.
std::string LoaderMessage() {
  const char* const message = ::dlerror();
  return message == nullptr ? "no reason given" : message;
}

// Static constructors of a library may switch floating-point modes.
void* Load(const std::string& path) {
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  SetFloatEnvironment();
  return library;
}

absl::Status CheckIdentity(void* library) {
  void* const address = ::dlsym(library, kIdentity);
  if (address == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("expected a plugin of llama_moe, found a library without ",
                     kIdentity, "; set ", kVariable, " to the plugin"));
  }
  const TorchPluginIdentity found =
      reinterpret_cast<decltype(&llama_moe_torch_identity)>(address)();
  const TorchPluginIdentity expected = ThisTorchPluginIdentity();
  if (absl::string_view(found.build) != expected.build) {
    return absl::FailedPreconditionError(absl::StrCat(
        "expected a plugin of the build \"", expected.build, "\", found \"",
        found.build, "\"; install the program and its plugin together"));
  }
  if (found.abseil != expected.abseil) {
    return absl::FailedPreconditionError(
        "expected a plugin that shares Abseil with the program, found one that "
        "has its own; build both with Abseil's shared libraries");
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> TorchPluginPaths(const std::string& program) {
  if (const char* const path = std::getenv(kVariable); path != nullptr) {
    return {path};
  }
  const std::string directory = SplitPath(program).parent;
  std::vector<std::string> paths = {
      absl::StrCat(directory, "/", kFile),
      absl::StrCat(directory, "/../lib/llama_moe/", kFile),
      absl::StrCat(program, ".runfiles/", kRunfile, "/", kFile),
  };
  if (const char* const runfiles = std::getenv("RUNFILES_DIR");
      runfiles != nullptr) {
    paths.push_back(absl::StrCat(runfiles, "/", kRunfile, "/", kFile));
  }
  return paths;
}

absl::StatusOr<void*> FindInTorchPlugin(const std::vector<std::string>& paths,
                                        const char* name) {
  const auto path = std::find_if(paths.begin(), paths.end(), PathExists);
  if (path == paths.end()) {
    return absl::NotFoundError(
        absl::StrCat(kFile, ": expected the plugin that uses LibTorch at ",
                     absl::StrJoin(paths, " or "),
                     ", found nothing; build //moe/torch_plugin:", kFile,
                     " and put it there, or set ", kVariable, " to its path"));
  }
  void* const library = Load(*path);
  if (library == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        *path, ": cannot be loaded: ", LoaderMessage(),
        "; install LibTorch (libtorch-dev on Debian), or build the plugin "
        "again where it is"));
  }
  MOE_RETURN_IF_ERROR(Annotate(CheckIdentity(library), *path));
  void* const address = ::dlsym(library, name);
  if (address == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat(*path, ": expected the function ", name,
                     ", found none; install the program and its plugin "
                     "together"));
  }
  return address;
}

absl::StatusOr<void*> FindInTorchPlugin(const char* name) {
  std::error_code error;
  const std::filesystem::path program =
      std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) {
    return absl::FailedPreconditionError(absl::StrCat(
        "/proc/self/exe: expected the program's path, found: ", error.message(),
        "; mount /proc"));
  }
  return FindInTorchPlugin(TorchPluginPaths(program.string()), name);
}

}  // namespace moe::base::internal
