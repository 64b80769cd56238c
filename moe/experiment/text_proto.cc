#include "moe/experiment/text_proto.h"

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/message.h"
#include "google/protobuf/text_format.h"
#include "moe/base/atomic_write.h"
#include "moe/base/file_system.h"
#include "moe/base/path_overlap.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"

namespace moe::experiment {
namespace {

constexpr uint64_t kMaxTextBytes = uint64_t{16} << 20;

// Keeps the first mistake.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  // Lines and columns count from 0; the whole text has line -1.
  void AddError(int line, int column, const std::string& message) override {
    if (!text_.empty()) return;
    text_ = line < 0 ? message
                     : absl::StrCat(line + 1, ":", column + 1, ": ", message);
  }

  // Empty where there was none; "3:14: what is wrong".
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace

absl::Status ParseTextProto(absl::string_view text, absl::string_view path,
                            google::protobuf::Message& message) {
  google::protobuf::io::ArrayInputStream input(text.data(),
                                               static_cast<int>(text.size()));
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  if (parser.Parse(&input, &message)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path, ":", error.text()));
}

std::string FormatTextProto(const google::protobuf::Message& message) {
  std::string text;
  google::protobuf::TextFormat::PrintToString(message, &text);
  return text;
}

absl::Status WriteTextProto(const google::protobuf::Message& message,
                            absl::string_view comment, absl::string_view path) {
  MOE_RETURN_IF_ERROR(CheckIsTextProto(message, path));
  const std::string text = absl::StrCat(comment, FormatTextProto(message));
  return base::WriteFileAtomically(
      path, /*overwrite=*/true,
      [&](base::WritableFile& file) { return file.Append(text); });
}

absl::Status CheckIsTextProto(const google::protobuf::Message& message,
                              absl::string_view path) {
  MOE_ASSIGN_OR_RETURN(const std::string target, base::FollowTargetLink(path));
  if (!base::PathExists(target)) return absl::OkStatus();
  const absl::StatusOr<std::string> text = internal::ReadText(target);
  const std::unique_ptr<google::protobuf::Message> other(message.New());
  if (text.ok() && ParseTextProto(*text, target, *other).ok()) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      target, ": expected ", message.GetDescriptor()->name(),
      " as text, which may be replaced, found something else; choose another "
      "path, or remove it yourself"));
}

namespace internal {

absl::Status RemoveFile(absl::string_view path) {
  return base::PosixFileSystem().RemoveAll(path);
}

absl::StatusOr<std::string> ReadText(absl::string_view path) {
  return base::ReadFile(path, kMaxTextBytes);
}

}  // namespace internal
}  // namespace moe::experiment
