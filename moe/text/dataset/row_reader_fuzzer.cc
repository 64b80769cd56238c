// Any bytes as a file of a dataset, in every format: its rows are read to the
// end or to an error, never a crash, and none is beyond the limit.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/check.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/row_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kMaxRowBytes = 200;
  static const auto& directory = *new moe::base::testing::TempDirectory();
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const char* name : {"a.json", "a.csv", "a.tsv", "a.txt", "a"}) {
    const std::string path = directory.Write(name, bytes);
    for (const auto split :
         {moe::TokenizeOptions::WHOLE_FILE, moe::TokenizeOptions::BLANK_LINE}) {
      moe::TokenizeOptions options;
      options.set_split_documents(split);
      const absl::StatusOr<std::unique_ptr<moe::text::RowReader>> reader =
          moe::text::RowReader::Open(path, options, kMaxRowBytes);
      if (!reader.ok()) continue;
      int64_t line = 0;
      while (true) {
        const absl::StatusOr<std::optional<moe::text::Row>> row =
            (*reader)->Next();
        if (!row.ok() || !row->has_value()) break;
        MOE_CHECK((*row)->text.size() <= kMaxRowBytes);
        MOE_CHECK((*row)->line >= line);
        line = (*row)->line;
      }
    }
  }
  return 0;
}
