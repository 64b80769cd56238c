// The elements of a file that is one JSON array, one at a time. See
// row_reader.h; not for use elsewhere.

#ifndef MOE_TEXT_DATASET_JSON_ARRAY_READER_H_
#define MOE_TEXT_DATASET_JSON_ARRAY_READER_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/dataset/byte_stream.h"
#include "moe/text/dataset/compressed_file.h"
#include "moe/text/dataset/row_reader.h"

namespace moe {

class JsonArrayReader : public RowReader {
 public:
  JsonArrayReader(std::unique_ptr<CompressedFileReader> file,
                  size_t max_row_bytes)
      : bytes_(std::move(file)), max_row_bytes_(max_row_bytes) {}

  absl::StatusOr<std::optional<Row>> Next() override;
  const CompressedFileReader& file() const override { return bytes_.file(); }

 private:
  // The next byte that is no white space.
  std::optional<char> PeekSign();
  // Goes behind the bracket or comma before the next element; false at the
  // array's end.
  absl::StatusOr<bool> FindElement();
  Row TakeElement();
  absl::Status WrongSign(absl::string_view want);
  absl::Status CheckEnd();

  ByteStream bytes_;
  const size_t max_row_bytes_;
  bool is_first_ = true;
  bool is_done_ = false;
};

}  // namespace moe

#endif  // MOE_TEXT_DATASET_JSON_ARRAY_READER_H_
