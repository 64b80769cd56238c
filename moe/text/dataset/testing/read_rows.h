// Tests of what reads the rows of a file.

#ifndef MOE_TEXT_DATASET_TESTING_READ_ROWS_H_
#define MOE_TEXT_DATASET_TESTING_READ_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/row_reader.h"

namespace moe::text::testing {

class ReadRowsTest : public ::testing::Test {
 protected:
  // The line where each row begins, and its text or its error.
  using Rows = std::vector<std::pair<int64_t, std::string>>;

  absl::StatusOr<Rows> Read(const std::string& name, absl::string_view text,
                            size_t max_row_bytes = 1000) {
    const std::string path = directory_.Write(name, text);
    MOE_ASSIGN_OR_RETURN(const std::unique_ptr<RowReader> reader,
                         RowReader::Open(path, options_, max_row_bytes));
    Rows rows;
    while (true) {
      MOE_ASSIGN_OR_RETURN(const std::optional<Row> row, reader->Next());
      if (!row.has_value()) return rows;
      last_is_text_ = row->is_text;
      rows.emplace_back(row->line, row->status.ok()
                                       ? row->text
                                       : std::string(row->status.message()));
    }
  }

  bool last_is_text() const { return last_is_text_; }

  TokenizeOptions options_;

 private:
  const base::testing::TempDirectory directory_;
  bool last_is_text_ = false;
};

}  // namespace moe::text::testing

#endif  // MOE_TEXT_DATASET_TESTING_READ_ROWS_H_
