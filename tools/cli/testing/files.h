// Files that a command has written, for tests.

#ifndef TOOLS_CLI_TESTING_FILES_H_
#define TOOLS_CLI_TESTING_FILES_H_

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "moe/base/random_access_file.h"

namespace moe::cli::testing {

inline std::string FileText(const std::string& path) {
  return base::ReadFile(path, uint64_t{1} << 30).value();
}

// Sorted; none where there is no such directory.
inline std::vector<std::string> NamesIn(const std::string& directory) {
  std::vector<std::string> names;
  if (!std::filesystem::exists(directory)) return names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace moe::cli::testing

#endif  // TOOLS_CLI_TESTING_FILES_H_
