// A directory that lives as long as the object, for tests.

#ifndef MOE_BASE_TESTING_TEMP_DIRECTORY_H_
#define MOE_BASE_TESTING_TEMP_DIRECTORY_H_

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "moe/base/check.h"

namespace moe::base::testing {

class TempDirectory {
 public:
  TempDirectory() {
    std::string path = ::testing::TempDir() + "/moe_XXXXXX";
    MOE_CHECK(::mkdtemp(path.data()) != nullptr);
    path_ = std::filesystem::path(path).lexically_normal().string();
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }
  std::string Path(absl::string_view name) const {
    return path_ + "/" + std::string(name);
  }

  // Writes a file, making the folders above it, and returns its path.
  std::string Write(absl::string_view name, absl::string_view contents) const {
    const std::string path = Path(name);
    std::filesystem::create_directories(
        std::filesystem::path(path).parent_path());
    std::ofstream stream(path, std::ios::binary);
    stream.write(contents.data(),
                 static_cast<std::streamsize>(contents.size()));
    MOE_CHECK(stream.good());
    return path;
  }

  // The names of everything in the directory, sorted.
  std::vector<std::string> List() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  std::string path_;
};

}  // namespace moe::base::testing

#endif  // MOE_BASE_TESTING_TEMP_DIRECTORY_H_
