#include "moe/text/dataset/line_reader.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/base/status_macros.h"
#include "moe/text/dataset/compressed_file.h"

namespace moe {
namespace {

constexpr size_t kBufferBytes = size_t{64} << 10;
constexpr absl::string_view kByteOrderMark = "\xef\xbb\xbf";

bool IsBlank(absl::string_view text) {
  return text.find_first_not_of(" \t\r") == absl::string_view::npos;
}

}  // namespace

absl::StatusOr<LineReader> LineReader::Open(absl::string_view path,
                                            size_t max_line_bytes) {
  MOE_ASSIGN_OR_RETURN(std::unique_ptr<CompressedFileReader> file,
                       CompressedFileReader::Open(path));
  return LineReader(std::move(file), max_line_bytes);
}

absl::StatusOr<std::optional<Line>> LineReader::Next() {
  while (true) {
    MOE_ASSIGN_OR_RETURN(std::optional<Line> line, NextAny());
    if (!line.has_value() || line->too_long || !IsBlank(line->text)) {
      return line;
    }
  }
}

absl::Status LineReader::Fill() {
  if (begin_ < buffer_.size() || at_end_) return absl::OkStatus();
  buffer_.resize(kBufferBytes);
  begin_ = 0;
  absl::StatusOr<size_t> size = file_->Read(absl::MakeSpan(buffer_));
  buffer_.resize(size.ok() ? *size : 0);
  if (!size.ok()) {
    return absl::Status(size.status().code(),
                        absl::StrCat(size.status().message(), ", in line ",
                                     number_ + 1, " of the contents"));
  }
  at_end_ = *size == 0;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Line>> LineReader::NextAny() {
  Line line;
  bool started = false;
  while (true) {
    MOE_RETURN_IF_ERROR(Fill());
    if (at_end_) break;
    started = true;
    const absl::string_view unread = absl::string_view(buffer_).substr(begin_);
    const size_t end = unread.find('\n');
    TakePiece(unread.substr(0, end), line);
    begin_ += std::min(end, unread.size() - 1) + 1;
    if (end != absl::string_view::npos) break;
  }
  if (!started) return std::optional<Line>();
  line.number = ++number_;
  Trim(line);
  return std::optional<Line>(std::move(line));
}

void LineReader::TakePiece(absl::string_view piece, Line& line) const {
  // One more for the carriage return, three for the byte order mark.
  const size_t limit = max_line_bytes_ + 1 + kByteOrderMark.size();
  if (line.too_long) return;
  if (line.text.size() + piece.size() > limit) {
    line.too_long = true;
    std::string().swap(line.text);
    return;
  }
  line.text.append(piece.data(), piece.size());
}

void LineReader::Trim(Line& line) const {
  if (line.number == 1 && absl::StartsWith(line.text, kByteOrderMark)) {
    line.text.erase(0, kByteOrderMark.size());
  }
  if (!line.text.empty() && line.text.back() == '\r') line.text.pop_back();
  if (line.text.size() <= max_line_bytes_) return;
  line.too_long = true;
  line.text.clear();
}

}  // namespace moe
