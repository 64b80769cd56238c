// Runs a fuzzer's function once over each file below the given directories, and
// over every beginning of it: what a fuzzer has found, or was seeded with,
// stays a test in builds without libFuzzer.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

// A copy of its own size, so that a read past the end is found by a sanitizer.
void RunOn(const std::string& text, size_t size) {
  const std::vector<uint8_t> bytes(text.begin(),
                                   text.begin() + static_cast<ptrdiff_t>(size));
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

void RunOnBeginnings(const std::string& text) {
  // Every beginning of a small file; of a larger one, some hundred.
  const size_t step = text.size() / 250 + 1;
  for (size_t size = 0; size < text.size(); size += step) RunOn(text, size);
  RunOn(text, text.size());
}

}  // namespace

int main(int argc, char** argv) {
  int num_files = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(argv[i])) {
      if (!entry.is_regular_file()) continue;
      std::ifstream stream(entry.path(), std::ios::binary);
      RunOnBeginnings(std::string(std::istreambuf_iterator<char>(stream), {}));
      ++num_files;
    }
  }
  std::printf("%d files, and the beginnings of each: no finding\n", num_files);
  return num_files > 0 ? 0 : 1;
}
